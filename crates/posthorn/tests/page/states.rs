//! The state of the chosen message at the consumers of its topic.

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::browser::Browser;
use crate::harness::{DESKTOP, call, opened, server, show, violations};

const CONSUMER: &str = "/api/v1/topics/jobs/consumers/mailer";

/// Waits until the state is shown; `pattern` is a regular expression.
async fn shown(browser: &Browser, pattern: &str) {
    let script = format!("/{pattern}/.test(document.querySelector('.states dd')?.textContent)");
    browser.wait_for(&script).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chosen_message_shows_its_state_at_each_consumer() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    let messages = "/api/v1/topics/jobs/messages";
    let receipt = call(&server, Method::POST, messages, json!({"message": "one"})).await;
    let id = receipt["id"].as_str().unwrap();
    let settings = json!({"max_attempts": 2, "backoff_seconds": [0]});
    call(&server, Method::PUT, CONSUMER, settings).await;
    let act = async |name: &str, body| {
        call(&server, Method::POST, &format!("{CONSUMER}/{name}"), body).await
    };
    let leases = |pulled: &Value| json!([pulled["messages"][0]["lease"]]);

    let browser = opened(&server, false, DESKTOP).await;
    show(&browser, &format!("jobs/{id}")).await;
    shown(&browser, "^waiting$").await;
    // The page looks again by itself.
    let pulled = act("pull", json!({"max": 1})).await;
    shown(&browser, "^in flight · until .* · attempt 1$").await;
    assert_eq!(violations(&browser).await, json!([]));
    act(
        "nack",
        json!({"leases": leases(&pulled), "reason": "no route"}),
    )
    .await;
    browser.eval("dispatchEvent(new Event('focus'))").await;
    shown(&browser, "^waiting · attempt 2 · reason: no route$").await;
    let pulled = act("pull", json!({"max": 1})).await;
    act("nack", json!({"leases": leases(&pulled)})).await;
    browser.eval("dispatchEvent(new Event('focus'))").await;
    shown(&browser, "^dead · .* · attempts: 2 · no reason$").await;
    act("dead/redrive", json!({})).await;
    let pulled = act("pull", json!({"max": 1})).await;
    act("ack", json!({"leases": leases(&pulled)})).await;
    browser.eval("dispatchEvent(new Event('focus'))").await;
    shown(&browser, "^settled$").await;
    let link = "document.querySelector('.states a').hash";
    assert_eq!(
        browser.eval(&format!("return {link}")).await,
        json!("#/jobs/consumers")
    );

    // Nothing is asked for while the page is hidden.
    let hide = "Object.defineProperty(document, 'hidden', { value: true, configurable: true });
        window.asked = 0; const real = window.fetch;
        window.fetch = (...call) => { window.asked += /\\/consumers$/.test(call[0]); return real(...call); };
        dispatchEvent(new Event('focus')); document.dispatchEvent(new Event('visibilitychange'));
        return window.asked";
    assert_eq!(browser.eval(hide).await, json!(0));
    let visible = "Object.defineProperty(document, 'hidden', { value: false, configurable: true });
        document.dispatchEvent(new Event('visibilitychange')); return window.asked";
    assert_eq!(browser.eval(visible).await, json!(1));
    assert_eq!(browser.console_errors().await, [""; 0]);
    browser.close().await;
}
