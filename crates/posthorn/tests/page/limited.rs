//! What the page shows to a person whose token or quota permits little.

use serde_json::json;
use tempfile::TempDir;

use crate::browser::Browser;
use crate::harness::{
    DESKTOP, asked_for_token, enter, issue_for, opened, protected_server, server, show, violations,
};

/// Holds the body of each refusal back until `release`, and the list of topics until there is one.
const HOLD: &str = "{
    const held = [], { fetch } = window;
    window.fetch = async (path, options) => {
        const answer = await fetch(path, options);
        while (answer.ok && String(path).includes('/topics?') && !held.length) await new Promise((done) => setTimeout(done, 10));
        if (answer.status === 403) {
            const read = answer.json.bind(answer);
            answer.json = () => new Promise((done) => held.push(() => { done(read()); }));
        }
        return answer;
    };
    window.release = () => {
        held.forEach((one) => one());
        return new Promise((done) => setTimeout(done, 100));
    };
}";

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_one_topic_leads_there_and_is_offered_nothing_elsewhere() {
    let directory = TempDir::new().unwrap();
    let server = protected_server(&directory).await;
    for topic in ["inbox", "orders"] {
        let url = format!("{}/api/v1/topics/{topic}/messages", server.url);
        let sent = server.client.post(url).body("text").send().await.unwrap();
        assert_eq!(sent.status(), 201);
    }
    let browser = opened(&server, false, DESKTOP).await;
    asked_for_token(&browser).await;
    // The list says why it is empty, and offers a way on.
    browser.press("\u{e00c}").await;
    browser
        .wait_for("refused.checkVisibility() && document.activeElement !== document.body")
        .await;
    assert_eq!(
        browser.text("refused-text").await,
        "Reading requires a token."
    );
    assert_eq!(violations(&browser).await, json!([]));
    browser.click("#refused-token").await;
    let scopes = "messages:read,messages:consume";
    enter(
        &browser,
        &issue_for(&directory, "clerk", scopes, "ord*").await,
    )
    .await;
    browser.connected().await;
    browser
        .wait_for("document.getElementById('topic-name').textContent === 'orders'")
        .await;
    browser
        .wait_for("document.querySelectorAll('#messages li').length === 1 && refused.hidden")
        .await;
    assert_eq!(browser.text("token-state").await, "clerk");
    let offered = "return document.getElementById('view-consumers').hidden";
    assert_eq!(browser.eval(offered).await, json!(false));
    show(&browser, "inbox/consumers").await;
    browser
        .wait_for("refused.checkVisibility() && document.getElementById('view-consumers').hidden")
        .await;
    let asked = "return performance.getEntriesByType('resource').filter((one) => one.name.includes('/inbox/consumers')).length";
    assert_eq!(browser.eval(asked).await, json!(0));
    // Topics of another token are forgotten.
    enter(
        &browser,
        &issue_for(&directory, "writer", "messages:write", "*").await,
    )
    .await;
    browser
        .wait_for("[...document.querySelectorAll('#topics .name')].map((one) => one.textContent).join() === 'inbox'")
        .await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_comes_after_another_topic_was_opened_is_not_shown() {
    let directory = TempDir::new().unwrap();
    let server = protected_server(&directory).await;
    let url = format!("{}/api/v1/topics/orders/messages", server.url);
    let sent = server.client.post(url).body("text").send().await.unwrap();
    assert_eq!(sent.status(), 201);
    let browser = Browser::start("en", false, DESKTOP).await;
    browser
        .devtools(
            "Page.addScriptToEvaluateOnNewDocument",
            json!({ "source": HOLD }),
        )
        .await;
    browser.client.goto(&server.url).await.unwrap();
    enter(
        &browser,
        &issue_for(&directory, "clerk", "messages:read", "orders").await,
    )
    .await;
    let message = "document.querySelectorAll('#messages li').length === 1";
    browser.wait_for(message).await;
    browser.eval("return release()").await;
    let is_shown = format!("return {message} && refused.hidden");
    assert_eq!(browser.eval(&is_shown).await, json!(true));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_to_a_message_is_followed_once_there_is_a_token() {
    let directory = TempDir::new().unwrap();
    let server = protected_server(&directory).await;
    let receipt: serde_json::Value = server.post("linked").await.json().await.unwrap();
    let browser = Browser::start("en", false, DESKTOP).await;
    let link = format!("{}/#/inbox/{}", server.url, receipt["id"].as_str().unwrap());
    browser.client.goto(&link).await.unwrap();
    asked_for_token(&browser).await;
    enter(
        &browser,
        &issue_for(&directory, "reader", "messages:read", "*").await,
    )
    .await;
    browser
        .wait_for("document.querySelector('#detail .whole')?.textContent === 'linked'")
        .await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_over_the_quota_is_told_so_and_not_that_there_is_nothing() {
    let directory = TempDir::new().unwrap();
    let quotas = [
        ("RATE_LIMIT_ENABLED", "true"),
        ("RATE_LIMIT_READ", "4 per hour"),
        ("RATE_LIMIT_CONSUME", "2 per hour"),
    ];
    let server = server(&directory, &quotas).await;
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    show(&browser, "other/consumers").await;
    browser
        .wait_for(
            "document.getElementById('consumers-status').textContent === 'Too many requests.'",
        )
        .await;
    let empty = "return document.getElementById('consumers-empty').hidden";
    assert_eq!(browser.eval(empty).await, json!(true));
    assert_eq!(violations(&browser).await, json!([]));
    // What changes every second is kept from screen readers.
    show(&browser, "third").await;
    browser
        .wait_for("/^Too many requests. Next attempt in \\d+ s.$/.test(link.textContent)")
        .await;
    browser
        .eval("new MutationObserver((all) => { window.spoken += all.filter((one) =>
            !(one.target.parentElement ?? one.target).closest('[aria-hidden]') && !one.target.closest?.('[aria-hidden]')).length; })
            .observe(link, { subtree: true, childList: true, characterData: true })")
        .await;
    // On a busy machine another response may come in between, which is spoken.
    let mut spoken = json!(null);
    for _ in 0..5 {
        browser
            .eval("window.spoken = 0; window.before = link.textContent")
            .await;
        browser.wait_for("link.textContent !== before").await;
        spoken = browser.eval("return spoken").await;
        if spoken == json!(0) {
            break;
        }
    }
    assert_eq!(spoken, json!(0));
    assert_eq!(browser.eval("return empty.hidden").await, json!(true));
    browser.close().await;
}
