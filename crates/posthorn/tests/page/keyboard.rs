//! The page by keyboard alone: each key of the help, and a focus that is never lost.

use serde_json::json;
use tempfile::TempDir;

use crate::browser::Browser;
use crate::harness::{DESKTOP, PHONE, opened, server, show, violations};

const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";

async fn shown(browser: &Browser, text: &str) {
    let script = format!("document.querySelector('#detail .whole')?.textContent === '{text}'");
    browser.wait_for(&script).await;
    browser
        .wait_for("document.activeElement.closest('#messages li')?.querySelector('[aria-current]')")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_read_found_sent_and_deleted_by_keys() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    for text in ["one", "two", "three"] {
        assert_eq!(server.post(text).await.status(), 201);
    }
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    for (key, text) in [
        ("j", "three"),
        ("j", "two"),
        ("j", "one"),
        ("j", "one"),
        ("k", "two"),
    ] {
        browser.press(key).await;
        shown(&browser, text).await;
    }
    // The deletion asks, and the next message is shown.
    browser.press("#").await;
    browser
        .wait_for("document.getElementById('ask').open")
        .await;
    assert_eq!(browser.text("ask-text").await, "two");
    assert_eq!(violations(&browser).await, json!([]));
    browser.type_into("#ask-ok", ENTER).await;
    shown(&browser, "one").await;
    assert_eq!(server.all_texts("inbox").await, ["one", "three"]);
    browser.press(ESCAPE).await;
    browser.wait_for("detail.hidden").await;
    let is_in_list = "return Boolean(document.activeElement.closest('#messages li'))";
    assert_eq!(browser.eval(is_in_list).await, json!(true));

    browser.press("/").await;
    browser
        .wait_for("document.activeElement.id === 'find'")
        .await;
    browser.type_into("#find", "thr").await;
    browser
        .wait_for("document.querySelectorAll('#messages li:not([hidden])').length === 1")
        .await;
    // A key is a letter while a person types, and Escape ends the filter.
    browser.press("j").await;
    assert_eq!(
        browser
            .eval("return document.getElementById('find').value")
            .await,
        json!("thrj")
    );
    browser.press(ESCAPE).await;
    browser
        .wait_for("document.querySelectorAll('#messages li:not([hidden])').length === 2")
        .await;

    browser.press("c").await;
    browser.wait_for("document.activeElement === text").await;
    browser.type_into("#text", "four").await;
    browser
        .eval("document.getElementById('send').requestSubmit()")
        .await;
    browser
        .wait_for("/Stored in “inbox” as 01[0-9A-Z]+ \\(memory\\)/.test(receipt.textContent)")
        .await;
    assert_eq!(violations(&browser).await, json!([]));
    browser.press(ESCAPE).await;
    browser.wait_for("composer.hidden").await;
    assert_eq!(
        browser
            .eval("return document.activeElement !== document.body")
            .await,
        json!(true)
    );

    browser.press("?").await;
    browser
        .wait_for("document.getElementById('keys-dialog').open")
        .await;
    assert_eq!(violations(&browser).await, json!([]));
    browser.click("#keys-on").await;
    browser.press(ESCAPE).await;
    browser
        .wait_for("!document.getElementById('keys-dialog').open")
        .await;
    // Switched off.
    browser.press("2").await;
    assert_eq!(
        browser.eval("return document.body.dataset.view").await,
        json!("messages")
    );
    browser
        .eval("document.getElementById('keys-on').click()")
        .await;
    for (key, view) in [
        ("2", "consumers"),
        ("3", "webhooks"),
        ("4", "service"),
        ("1", "messages"),
    ] {
        browser.press(key).await;
        browser
            .wait_for(&format!("document.body.dataset.view === '{view}'"))
            .await;
    }
    assert_eq!(browser.console_errors().await, [""; 0]);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_is_created_and_deleted() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    assert_eq!(server.post("one").await.status(), 201);
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    browser.press("2").await;
    browser
        .wait_for("!document.getElementById('consumers-empty').hidden")
        .await;
    browser.type_into("#consumers-new", ENTER).await;
    browser
        .wait_for("document.getElementById('ask').open")
        .await;
    assert_eq!(violations(&browser).await, json!([]));
    browser.type_into("#ask-name", "Not A Name").await;
    browser.type_into("#ask-name", ENTER).await;
    browser
        .wait_for(
            "/1 to 64 characters/.test(document.getElementById('ask-name-error').textContent)",
        )
        .await;
    browser
        .eval("document.getElementById('ask-name').value = 'mailer'")
        .await;
    browser.type_into("#ask-max", "7").await;
    browser.type_into("#ask-max", ENTER).await;
    browser
        .wait_for("document.querySelector('#consumers h4')?.textContent === 'mailer'")
        .await;
    browser
        .wait_for("document.activeElement.id === 'consumers-new'")
        .await;
    let consumer = server
        .get_json("/api/v1/topics/inbox/consumers/mailer")
        .await;
    assert_eq!(
        (&consumer["max_attempts"], &consumer["waiting"]),
        (&json!(7), &json!(1))
    );
    // The same name again is rejected.
    browser.type_into("#consumers-new", ENTER).await;
    browser.type_into("#ask-name", "mailer").await;
    browser.type_into("#ask-name", ENTER).await;
    browser
        .wait_for("document.getElementById('ask-name-error').textContent === 'The name is taken.'")
        .await;
    browser.click("#ask-cancel").await;
    browser.type_into("#consumers .tools .danger", ENTER).await;
    browser
        .wait_for("document.getElementById('ask').open")
        .await;
    browser.type_into("#ask-ok", ENTER).await;
    browser
        .wait_for("document.querySelectorAll('#consumers > li').length === 0")
        .await;
    browser
        .wait_for("document.activeElement.id === 'consumers-new'")
        .await;
    let gone = server.get("/api/v1/topics/inbox/consumers/mailer").await;
    assert_eq!(gone.status(), 404);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn arrows_step_in_the_list_and_scroll_elsewhere() {
    const DOWN: &str = "\u{e015}";
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    assert_eq!(server.post("one").await.status(), 201);
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    let listen =
        "addEventListener('keydown', (event) => { window.taken = event.defaultPrevented; })";
    browser.eval(listen).await;
    browser.press(DOWN).await;
    shown(&browser, "one").await;
    let taken = "return window.taken";
    assert_eq!(browser.eval(taken).await, json!(true));
    browser.type_into("#detail .whole", DOWN).await;
    assert_eq!(browser.eval(taken).await, json!(false));
    for view in ["inbox/consumers", "inbox/webhooks", "~service"] {
        show(&browser, view).await;
        browser.eval("window.taken = undefined").await;
        browser.press(DOWN).await;
        assert_eq!(browser.eval(taken).await, json!(false), "{view}");
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn back_does_not_return_to_a_message_that_is_gone() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    assert_eq!(server.post("one").await.status(), 201);
    let browser = opened(&server, false, PHONE).await;
    browser.connected().await;
    show(&browser, "inbox/consumers").await;
    show(&browser, "inbox").await;
    browser.click("#messages a").await;
    browser
        .wait_for("document.querySelector('#detail .whole')")
        .await;
    browser.press("#").await;
    browser.type_into("#ask-ok", ENTER).await;
    browser.wait_for("location.hash === '#/inbox'").await;
    // A link to a message that was never there.
    show(&browser, "inbox/01JZ0000000000000000000000").await;
    browser.wait_for("location.hash === '#/inbox'").await;
    browser.eval("history.go(-3)").await;
    browser
        .wait_for("document.body.dataset.view === 'consumers'")
        .await;
    browser.close().await;
}

/// Presses a key of a Russian keyboard: its character, its place, and whether with Shift.
async fn russian(browser: &Browser, key: &str, code: &str, shift: bool) {
    let script = format!(
        "document.activeElement.dispatchEvent(new KeyboardEvent('keydown',
            {{ key: '{key}', code: '{code}', shiftKey: {shift}, bubbles: true, cancelable: true }}))"
    );
    browser.eval(&script).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shortcuts_work_on_a_russian_keyboard() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    for text in ["one", "two"] {
        assert_eq!(server.post(text).await.status(), 201);
    }
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    russian(&browser, "о", "KeyJ", false).await;
    shown(&browser, "two").await;
    russian(&browser, "о", "KeyJ", false).await;
    shown(&browser, "one").await;
    russian(&browser, "№", "Digit3", true).await;
    browser
        .wait_for("document.getElementById('ask').open")
        .await;
    browser.click("#ask-cancel").await;
    russian(&browser, "х", "BracketLeft", false).await;
    russian(&browser, "с", "KeyC", false).await;
    browser.wait_for("document.activeElement === text").await;
    browser.press(ESCAPE).await;
    browser.wait_for("composer.hidden").await;
    russian(&browser, ".", "Slash", false).await;
    browser
        .wait_for("document.activeElement.id === 'find'")
        .await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_scrolls_by_keys_at_once_and_escape_ends_its_filter() {
    const PAGE_DOWN: &str = "\u{e00f}";
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[("RATE_LIMIT_ENABLED", "false")]).await;
    for number in 0..40 {
        assert_eq!(server.post(&format!("m{number}")).await.status(), 201);
    }
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    browser.press(PAGE_DOWN).await;
    browser.wait_for("list.scrollTop > 300").await;
    browser.type_into("#find", "m1").await;
    browser.press(ENTER).await;
    let is_in_list = "document.activeElement.closest('#messages li')";
    browser.wait_for(is_in_list).await;
    browser.press(ESCAPE).await;
    browser
        .wait_for(&format!(
            "document.getElementById('find').value === '' && {is_in_list}"
        ))
        .await;
    browser.close().await;
}
