//! Failures that pass, and messages that are deleted elsewhere.

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::browser::Browser;
use crate::harness::{
    DESKTOP, asked_for_token, call, enter, issue, opened, protected_server, revoke_entered, server,
    show, violations,
};
use crate::support::Server;

/// Answers requests whose URL has `broken` in it with `status`, while there is one; 0 for a connection that fails.
const BREAK: &str = "{
    const { fetch } = window;
    window.status_ = 200; window.asked = 0;
    window.fetch = async (url, options) => {
        if (!window.broken || !String(url).includes(window.broken)) return fetch(url, options);
        window.asked += 1;
        if (!window.status_) throw new TypeError('the connection failed');
        if (window.status_ === 1) return new Promise(() => {});
        const body = window.body_ ?? JSON.stringify({ detail: 'for a while' });
        return new Response(body, { status: window.status_, headers: { 'Retry-After': '1' } });
    };
}";

async fn breakable(server: &Server) -> Browser {
    let browser = Browser::start("en", false, DESKTOP).await;
    let source = json!({ "source": BREAK });
    browser
        .devtools("Page.addScriptToEvaluateOnNewDocument", source)
        .await;
    browser.client.goto(&server.url).await.unwrap();
    browser.connected().await;
    browser
}

async fn sent(server: &Server, text: &str) -> String {
    let receipt: Value = server.post(text).await.json().await.unwrap();
    receipt["id"].as_str().unwrap().to_owned()
}

async fn delete(server: &Server, id: &str) {
    let url = format!("{}/api/v1/topics/inbox/messages/{id}", server.url);
    let deleted = server.client.delete(url).send().await.unwrap();
    assert!(deleted.status().is_success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_a_message_survives_a_failure() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    let id = sent(&server, "linked").await;
    for number in 0..50 {
        sent(&server, &format!("message {number}")).await;
    }
    let browser = breakable(&server).await;
    for (status, reason) in [
        (429, "Too many requests."),
        (503, "Failed: for a while"),
        (0, "The server does not respond."),
    ] {
        show(&browser, "inbox").await;
        browser.wait_for("detail.hidden").await;
        let script = format!("window.broken = '/messages/{id}'; window.status_ = {status}");
        browser.eval(&script).await;
        show(&browser, &format!("inbox/{id}")).await;
        browser
            .wait_for(&format!(
                "document.querySelector('#detail .trouble')?.textContent === '{reason}'"
            ))
            .await;
        assert_eq!(
            browser.eval("return location.hash").await,
            json!(format!("#/inbox/{id}"))
        );
        assert_eq!(violations(&browser).await, json!([]), "{status}");
        browser.eval("window.broken = ''").await;
        browser
            .wait_for("document.querySelector('#detail .whole')?.textContent === 'linked'")
            .await;
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_degraded_service_is_shown_on_each_view_and_no_longer_than_it_lasts() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    let browser = breakable(&server).await;
    let degraded = json!({ "status": "degraded", "checks": { "redis": "error", "store": "ok" } });
    let script = format!(
        "window.body_ = JSON.stringify({degraded}); window.broken = '/api/v1/health';
        document.dispatchEvent(new Event('visibilitychange'))"
    );
    browser.eval(&script).await;
    browser
        .wait_for("state.textContent === 'Unavailable: redis. The service is degraded.'")
        .await;
    show(&browser, "~service").await;
    browser
        .wait_for("document.querySelector('#parts .error')")
        .await;
    show(&browser, "inbox").await;
    browser
        .eval("window.broken = ''; document.dispatchEvent(new Event('visibilitychange'))")
        .await;
    browser
        .wait_for("state.hidden && health.textContent === 'healthy'")
        .await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expires_ends_the_stream_without_a_word_of_the_server() {
    let directory = TempDir::new().unwrap();
    let server = protected_server(&directory).await;
    let browser = opened(&server, false, DESKTOP).await;
    browser
        .eval("window.notes = []; new MutationObserver(() => notes.push(toast.textContent)).observe(toast, { childList: true })")
        .await;
    asked_for_token(&browser).await;
    enter(&browser, &issue(&directory, "messages:read").await).await;
    browser.connected().await;
    // The clock of the browser is beyond the end of the token, and the server ends the stream of one that was revoked.
    browser
        .eval("const { now } = Date; Date.now = () => now() + 7200000")
        .await;
    revoke_entered(&browser, &server, &directory).await;
    asked_for_token(&browser).await;
    assert_eq!(browser.eval("return notes").await, json!([]));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_were_deleted_elsewhere_leave_the_list() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[("RATE_LIMIT_ENABLED", "false")]).await;
    let mut ids = Vec::new();
    for number in 0..6 {
        ids.push(sent(&server, &format!("message {number}")).await);
    }
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    let rows = "document.querySelectorAll('#messages li').length";
    let said = |text: &str| format!("toast.textContent === '{text}' && !toast.hidden");
    // One that a person opens.
    delete(&server, &ids[5]).await;
    browser.click("#messages a").await;
    browser
        .wait_for(&said("The message was already deleted."))
        .await;
    browser
        .wait_for(&format!("{rows} === 5 && location.hash === '#/inbox'"))
        .await;
    // One that a person deletes.
    browser.click("#messages a").await;
    browser.wait_for("document.querySelector('.delete')").await;
    browser.click(".delete").await;
    browser.eval("toast.textContent = ''").await;
    delete(&server, &ids[4]).await;
    browser.click("#ask-ok").await;
    browser
        .wait_for(&said("The message was already deleted."))
        .await;
    browser.wait_for(&format!("{rows} === 4")).await;
    // The oldest, and one in between, by what the list of topics says.
    delete(&server, &ids[0]).await;
    delete(&server, &ids[2]).await;
    browser.wait_for(&format!("{rows} === 2")).await;
    for id in [&ids[1], &ids[3]] {
        delete(&server, id).await;
    }
    browser
        .wait_for(&format!("{rows} === 0 && !empty.hidden"))
        .await;
    // A link to one of them.
    show(&browser, &format!("inbox/{}", ids[0])).await;
    browser
        .wait_for(&said("The topic has no such message."))
        .await;
    browser.wait_for("location.hash === '#/inbox'").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_are_read_although_each_response_takes_long() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[("RATE_LIMIT_ENABLED", "false")]).await;
    let consumer = "/api/v1/topics/inbox/consumers/mailer";
    call(&server, Method::PUT, consumer, json!({})).await;
    let browser = breakable(&server).await;
    show(&browser, "inbox/consumers").await;
    browser
        .wait_for("document.querySelector('#consumers .counts')?.textContent.includes('0 waiting')")
        .await;
    sent(&server, "one").await;
    let slow = "const { fetch } = window; window.aborted = 0;
        window.fetch = async (url, options) => {
            if (!String(url).endsWith('/inbox/consumers')) return fetch(url, options);
            options.signal.addEventListener('abort', () => { window.aborted += 1; });
            await new Promise((done) => setTimeout(done, 7000));
            return fetch(url, options);
        };";
    browser.eval(slow).await;
    browser
        .wait_for("document.querySelector('#consumers .counts').textContent.includes('1 waiting')")
        .await;
    assert_eq!(browser.eval("return aborted").await, json!(0));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_failed_is_forgotten_once_the_server_responds() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[("RATE_LIMIT_ENABLED", "false")]).await;
    let consumer = "/api/v1/topics/inbox/consumers/mailer";
    call(&server, Method::PUT, consumer, json!({})).await;
    let browser = breakable(&server).await;
    show(&browser, "inbox/consumers").await;
    browser
        .wait_for("document.querySelector('#consumers .danger')")
        .await;
    let status = "document.getElementById('consumers-status').textContent";
    browser
        .eval("window.broken = '/consumers/mailer'; window.status_ = 503")
        .await;
    browser.click("#consumers .danger").await;
    browser.click("#ask-ok").await;
    browser
        .wait_for(&format!("{status} === 'Failed: for a while'"))
        .await;
    browser.wait_for(&format!("{status} === ''")).await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_blocks_storage_shows_the_page() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    let browser = Browser::start("en", false, DESKTOP).await;
    let source = "for (const name of ['localStorage', 'sessionStorage']) {
        Object.defineProperty(window, name, { get() { throw new DOMException('blocked', 'SecurityError'); } });
    }";
    browser
        .devtools(
            "Page.addScriptToEvaluateOnNewDocument",
            json!({ "source": source }),
        )
        .await;
    let other = format!("{}/#/other", server.url);
    browser.client.goto(&other).await.unwrap();
    browser.connected().await;
    browser.press("?").await;
    browser
        .wait_for("document.getElementById('keys-dialog').open")
        .await;
    browser.click("#keys-on").await;
    assert_eq!(browser.console_errors().await, [""; 0]);
    browser.close().await;
}
