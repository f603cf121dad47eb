//! Networks and servers that come and go, and tokens that end.

use posthorn_testkit::free_port;
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{
    DESKTOP, asked_for_token, composing, enter, issue, offline, opened, protected_server,
    revoke_entered, server, show, violations,
};
use crate::support::Server;

#[tokio::test(flavor = "multi_thread")]
async fn what_came_while_the_browser_was_offline_is_shown_once() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    assert_eq!(server.post("before").await.status(), 201);
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    browser.devtools("Network.enable", json!({})).await;
    offline(&browser, true).await;
    browser
        .wait_for("link.textContent === 'No network.' && !state.hidden")
        .await;
    assert_eq!(violations(&browser).await, json!([]));
    for text in ["one", "two"] {
        assert_eq!(server.post(text).await.status(), 201);
    }
    offline(&browser, false).await;
    browser.connected().await;
    let texts =
        "[...document.querySelectorAll('#messages .text')].map((p) => p.textContent).join()";
    browser
        .wait_for(&format!("{texts} === 'two,one,before'"))
        .await;
    browser.wait_for("state.hidden").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_capacity_for_streams_is_busy() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[("MAX_STREAMS", "0")]).await;
    let browser = opened(&server, false, DESKTOP).await;
    browser
        .wait_for("/The server is busy. Next attempt in \\d+ s/.test(link.textContent)")
        .await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_is_named_on_the_page_and_tried_again_at_once() {
    let directory = TempDir::new().unwrap();
    let port = free_port().to_string();
    let settings = [("STORE_URL", "file:posthorn.db"), ("PORT", &port)];
    let mut server = Server::start(&directory, &settings).await;
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    composing(&browser, "#compose-open").await;
    browser.type_into("#text", "unsent").await;
    // The wait for the next attempt takes minutes.
    browser.eval("Math.random = () => 1000").await;
    server.signal("TERM").await;
    server.ended().await;
    browser
        .wait_for(
            "health.textContent === 'not responding' && /Next attempt in/.test(link.textContent)",
        )
        .await;
    assert_eq!(violations(&browser).await, json!([]));
    browser.click("#send-button").await;
    browser
        .wait_for("/^The server does not respond. Sending again/.test(receipt.textContent)")
        .await;
    let apart = "toast.hidden = false;
        return toast.getBoundingClientRect().bottom < receipt.getBoundingClientRect().top";
    assert_eq!(browser.eval(apart).await, json!(true));
    let _server = Server::start(&directory, &settings).await;
    browser
        .eval("document.getElementById('link-retry').focus()")
        .await;
    browser.press("\u{e007}").await;
    browser.connected().await;
    browser
        .wait_for("health.textContent === 'healthy' && state.hidden")
        .await;
    browser
        .wait_for("document.activeElement.id === 'view-messages'")
        .await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_is_asked_for_again() {
    let directory = TempDir::new().unwrap();
    let server = protected_server(&directory).await;
    let browser = opened(&server, false, DESKTOP).await;
    let enter = async || {
        asked_for_token(&browser).await;
        enter(&browser, &issue(&directory, "messages:read").await).await;
        browser.connected().await;
    };
    enter().await;
    // What the token does not permit is not offered.
    let offered = "return ['consumers', 'webhooks'].filter((one) => !$(`view-${one}`).hidden)"
        .replace("$(", "document.getElementById(");
    assert_eq!(browser.eval(&offered).await, json!([]));
    revoke_entered(&browser, &server, &directory).await;
    enter().await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_requests_nothing_that_is_not_there() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[("METRICS_PORT", "0")]).await;
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    show(&browser, "~service").await;
    browser
        .wait_for("document.querySelector('#limits li, #limits-client:not(:empty)')")
        .await;
    assert!(browser.text("charts").await.contains("not available"));
    assert_eq!(violations(&browser).await, json!([]));
    let failed = "return performance.getEntriesByType('resource')
        .filter((one) => one.responseStatus >= 400 || one.name.endsWith('/metrics')).map((one) => one.name)";
    assert_eq!(browser.eval(failed).await, json!([]));
    assert_eq!(browser.console_errors().await, [""; 0]);
    browser.close().await;
}
