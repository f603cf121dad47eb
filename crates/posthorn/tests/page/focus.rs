//! The focus: whatever a person does, some visible element has it.

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::browser::Browser;
use crate::harness::{DESKTOP, opened, server, show};
use crate::support::Server;

const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";
/// True if an element other than the body has the focus and is shown.
const HELD: &str = "document.activeElement !== document.body
    && document.activeElement.checkVisibility({ visibilityProperty: true })";

async fn call(server: &Server, method: Method, path: &str, body: Value) -> Value {
    let url = format!("{}/api/v1/topics/{path}", server.url);
    let response = server.client.request(method, url).json(&body).send().await;
    let response = response.unwrap().error_for_status().unwrap();
    response.json().await.unwrap()
}

/// Waits until the focus is on what `selector` finds.
async fn on(browser: &Browser, selector: &str) {
    let script = format!("{HELD} && document.activeElement.matches('{selector}')");
    browser.wait_for(&script).await;
}

async fn message(server: &Server, topic: &str, text: &str) {
    let path = format!("{topic}/messages");
    call(server, Method::POST, &path, json!({ "message": text })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_focus_stays_when_what_had_it_is_hidden() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    for topic in ["inbox", "jobs", "one"] {
        message(&server, topic, "first").await;
    }
    let consumer = "jobs/consumers/mailer";
    call(&server, Method::PUT, consumer, json!({ "max_attempts": 1 })).await;
    let pull = format!("{consumer}/pull");
    let pulled = call(&server, Method::POST, &pull, json!({ "max": 1 })).await;
    let leases = json!({ "leases": [pulled["messages"][0]["lease"]] });
    call(&server, Method::POST, &format!("{consumer}/nack"), leases).await;

    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    browser.wait_for("topics.children.length === 3").await;
    browser.press("j").await;
    on(&browser, "#messages a").await;
    // To another view and back, to another topic and back.
    for (key, selector) in [
        ("2", "#view-consumers"),
        ("1", "#view-messages"),
        ("j", "#messages a"),
        ("4", "#service-open"),
        ("1", "#view-messages"),
        ("j", "#messages a"),
        ("]", "#view-messages"),
    ] {
        browser.press(key).await;
        on(&browser, selector).await;
    }
    browser.type_into("#open-name", "jobs").await;
    browser.type_into("#open-name", ENTER).await;
    on(&browser, "#view-messages").await;
    // A consumer has no URL of its own.
    for (name, status) in [
        ("mailer", ""),
        ("nobody", "The topic has no consumer “nobody”."),
    ] {
        show(&browser, &format!("jobs/consumers/{name}")).await;
        let said = format!(
            "document.getElementById('consumers-status').textContent === '{status}'
            && document.querySelector('#consumers h4')?.checkVisibility() && location.hash === '#/jobs/consumers'"
        );
        browser.wait_for(&said).await;
    }
    // From a dead letter to its message.
    show(&browser, "jobs/consumers").await;
    browser
        .wait_for("document.querySelector('#consumers button:not([hidden])')")
        .await;
    browser.type_into("#consumers button", ENTER).await;
    browser
        .wait_for("document.querySelector('.letters .meta a')")
        .await;
    browser.type_into(".letters .meta a", ENTER).await;
    on(&browser, "#detail-h").await;
    browser.press(ESCAPE).await;
    on(&browser, "#messages a").await;
    // The only message of a topic is deleted.
    show(&browser, "one").await;
    browser
        .wait_for("document.getElementById('topic-name').textContent === 'one'")
        .await;
    browser
        .wait_for("document.querySelectorAll('#messages li').length === 1")
        .await;
    browser.connected().await;
    browser.press("j").await;
    browser.wait_for("!detail.hidden").await;
    browser.press("#").await;
    browser
        .wait_for("document.getElementById('ask').open")
        .await;
    browser.type_into("#ask-ok", ENTER).await;
    on(&browser, "#find").await;
    assert_eq!(browser.console_errors().await, [""; 0]);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_focus_stays_when_the_list_is_loaded_anew() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    let batch: Vec<_> = (0..400)
        .map(|n| json!({ "message": format!("message {n}") }))
        .collect();
    call(&server, Method::POST, "inbox/messages/batch", json!(batch)).await;
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    // To the oldest ones, so that the newest are no longer loaded, and back by a key.
    browser
        .wait_for("(document.getElementById('older').scrollIntoView(), document.getElementById('older').hidden)")
        .await;
    browser.press("G").await;
    on(&browser, "#messages li:last-child a").await;
    browser.press("g").await;
    on(&browser, "#messages li:first-child a").await;
    let newest = "return document.activeElement.querySelector('.text').textContent";
    assert_eq!(browser.eval(newest).await, json!("message 399"));
    // An id that the topic has not is not asked for: its neighbours are shown.
    let absent = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    browser.type_into("#find", absent).await;
    browser.type_into("#find", ENTER).await;
    browser
        .wait_for("document.getElementById('find-hint').textContent.startsWith('The topic has no such message')")
        .await;
    on(&browser, "#messages a").await;
    assert_eq!(browser.console_errors().await, [""; 0]);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_drawer_takes_the_focus_keeps_it_and_gives_it_back() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    message(&server, "inbox", "first").await;
    let browser = opened(&server, false, DESKTOP).await;
    browser.resize(390, 844, 1).await;
    // Most people's drawers move.
    let motion =
        json!({ "features": [{ "name": "prefers-reduced-motion", "value": "no-preference" }] });
    browser.devtools("Emulation.setEmulatedMedia", motion).await;
    browser.connected().await;
    let open = async || {
        browser.click("#drawer-open").await;
        on(&browser, "#drawer-close").await;
        let behind = "return document.querySelector('.bar').inert";
        assert_eq!(browser.eval(behind).await, json!(true));
        // While it comes it is outside the window, and what is in it takes no key of a driver.
        browser
            .wait_for("rail.getBoundingClientRect().left === 0")
            .await;
    };
    open().await;
    browser.press(ESCAPE).await;
    on(&browser, "#drawer-open").await;
    open().await;
    browser.type_into("#topics a", ENTER).await;
    on(&browser, "#drawer-open").await;
    open().await;
    browser.type_into("#service-open", ENTER).await;
    on(&browser, "#drawer-open").await;
    // The panel for sending is opened from the drawer, which is gone when it is closed.
    open().await;
    browser.type_into("#compose-open", ENTER).await;
    on(&browser, "#text").await;
    browser
        .wait_for("!document.querySelector('.bar').inert")
        .await;
    browser
        .wait_for("getComputedStyle(rail).visibility === 'hidden'")
        .await;
    browser.press(ESCAPE).await;
    on(&browser, "#drawer-open, #compose-bar").await;
    // A drawer that is open when the window grows leaves nothing inert.
    open().await;
    browser.resize(1280, 844, 1).await;
    browser
        .wait_for("!document.querySelector('.bar').inert")
        .await;
    browser.close().await;
}
