//! The inbox page in a real browser, on the real binary.

#![allow(
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unreachable,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

mod browser;
mod bulk;
mod consumers;
mod driver;
mod editing;
mod figures;
mod first;
mod focus;
mod forms;
mod harness;
mod keyboard;
mod limited;
mod long;
mod network;
#[path = "../it/receiver.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod receiver;
mod recovery;
mod screens;
mod states;
#[path = "../it/support.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod support;
mod tabs;
mod webhooks;

use std::time::Instant;

use harness::{
    DESKTOP, PHONE, asked_for_token, composing, enter, issue, loaded_elsewhere, opened,
    protected_server, save, server, show, violations,
};
use posthorn_testkit::free_port;
use serde_json::json;
use support::Server;
use tempfile::TempDir;

/// The largest size of the page with all that it loads, in bytes.
const MOST_BYTES: u64 = 90_000;
const FILE: &str = "file:posthorn.db";

#[tokio::test(flavor = "multi_thread")]
async fn a_sent_message_is_shown_and_a_message_of_another_client_arrives_live() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    composing(&browser, "#compose-open").await;
    browser.type_into("#text", "from the page").await;
    let began = Instant::now();
    // A double click sends the message once.
    browser
        .eval("const b = document.getElementById('send-button'); b.click(); b.click();")
        .await;
    browser
        .wait_for("document.querySelectorAll('#messages li').length === 1")
        .await;
    println!("time to first message: {:?}", began.elapsed());
    browser
        .wait_for("/Stored in “inbox” as/.test(document.getElementById('receipt').textContent)")
        .await;
    assert_eq!(server.post("from another client").await.status(), 201);
    browser
        .wait_for("document.querySelector('#messages .text').textContent === 'from another client'")
        .await;
    browser
        .wait_for("/from another client|2 new/.test(announcer.textContent)")
        .await;
    assert_eq!(server.all_texts("inbox").await.len(), 2);
    browser
        .wait_for("document.querySelector('[data-topic=inbox] .count').textContent === '2'")
        .await;
    assert_eq!(loaded_elsewhere(&browser).await, json!([]));
    assert_eq!(browser.console_errors().await, [""; 0]);
    let sizes = "return [performance.getEntriesByType('navigation')[0],
        ...performance.getEntriesByType('resource').filter((r) => r.name.includes('/assets/'))]
        .reduce((sum, one) => sum + one.transferSize, 0)";
    let bytes = browser.eval(sizes).await.as_u64().unwrap();
    println!("total transfer of the page: {bytes} bytes");
    assert!((1_000..MOST_BYTES).contains(&bytes), "{bytes}");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reloaded_page_shows_the_stored_messages_and_follows_the_topic() {
    let directory = TempDir::new().unwrap();
    // No port that the system may give to a client before the server is there again.
    let port = free_port().to_string();
    let settings = [("STORE_URL", FILE), ("PORT", &port)];
    let mut server = Server::start(&directory, &settings).await;
    for number in 0..120 {
        assert_eq!(
            server.post(&format!("message {number}")).await.status(),
            201
        );
    }
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    browser.client.refresh().await.unwrap();
    browser.connected().await;
    let newest = "document.querySelector('#messages .text').textContent";
    browser
        .wait_for(&format!("{newest} === 'message 119'"))
        .await;
    // Older messages are loaded as the list is scrolled.
    browser
        .eval("document.getElementById('older').scrollIntoView()")
        .await;
    browser
        .wait_for("document.querySelectorAll('#messages li').length >= 100")
        .await;
    assert_eq!(server.post("after the reload").await.status(), 201);
    browser
        .wait_for(&format!("{newest} === 'after the reload'"))
        .await;
    // The server restarts on the same port: no message is lost or shown twice.
    server.signal("TERM").await;
    server.ended().await;
    browser
        .wait_for("/connection broke/.test(document.getElementById('link').textContent)")
        .await;
    browser
        .wait_for("!document.getElementById('state').hidden")
        .await;
    let note = "The server ended the connection. The page reconnects automatically.";
    assert_eq!(browser.text("toast").await, note);
    let server = Server::start(&directory, &settings).await;
    assert_eq!(server.post("after the restart").await.status(), 201);
    browser
        .wait_for(&format!("{newest} === 'after the restart'"))
        .await;
    let texts =
        "return [...document.querySelectorAll('#messages .text')].map((p) => p.textContent)";
    let shown = browser.eval(texts).await;
    let mut expected = server.all_texts("inbox").await;
    expected.reverse();
    let count = shown.as_array().unwrap().len();
    assert!(count > 100, "{count}");
    assert_eq!(shown, json!(expected[..count]));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validation_error_is_shown_at_its_field() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[("MAX_MESSAGE_LENGTH", "5")]).await;
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    composing(&browser, "#compose-open").await;
    // A character outside the basic plane counts once; surrounding white space does not count.
    browser
        .eval("text.value = ' 12345🎺 '; text.dispatchEvent(new Event('input'))")
        .await;
    assert_eq!(browser.text("count").await, "1 too many");
    browser.eval("topic.value = ''").await;
    browser.type_into("#topic", "Not A Topic").await;
    browser.click("#send-button").await;
    browser
        .wait_for("text.ariaInvalid === 'true' && topic.ariaInvalid === 'true'")
        .await;
    assert!(!browser.text("text-error").await.is_empty());
    assert!(!browser.text("topic-error").await.is_empty());
    assert_eq!(violations(&browser).await, json!([]));
    browser
        .eval("text.value = '1234🎺'; topic.value = ''; text.dispatchEvent(new Event('input'))")
        .await;
    assert_eq!(browser.text("count").await, "0 left");
    browser.click("#send-button").await;
    browser
        .wait_for("document.querySelectorAll('#messages li').length === 1")
        .await;
    assert_eq!(browser.text("text-error").await, "");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_over_its_quota_sees_when_it_may_send_again() {
    let directory = TempDir::new().unwrap();
    let quota = [
        ("RATE_LIMIT_ENABLED", "true"),
        // Longer than a busy machine takes to type the second message.
        ("RATE_LIMIT_MESSAGE", "1 per 10 second"),
        ("RATE_LIMIT_STRATEGY", "moving-window"),
    ];
    let server = server(&directory, &quota).await;
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    composing(&browser, "#compose-open").await;
    for text in ["one", "two"] {
        browser.type_into("#text", text).await;
        browser.click("#send-button").await;
        browser
            .wait_for("/Stored|Too many/.test(document.getElementById('receipt').textContent)")
            .await;
    }
    browser
        .wait_for("/^Again in [0-9]+ s.$/.test(countdown.textContent) && receipt.textContent === 'Too many requests.'")
        .await;
    browser
        .wait_for("document.getElementById('receipt').textContent === 'You may send again.'")
        .await;
    browser.click("#send-button").await;
    browser
        .wait_for("document.querySelectorAll('#messages li').length === 2")
        .await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_sends_a_token_and_shows_only_what_the_token_permits() {
    let directory = TempDir::new().unwrap();
    let server = protected_server(&directory).await;
    assert_eq!(server.post("for readers").await.status(), 201);
    let browser = opened(&server, false, DESKTOP).await;
    asked_for_token(&browser).await;
    assert_eq!(violations(&browser).await, json!([]));
    enter(&browser, &issue(&directory, "messages:read").await).await;
    browser.connected().await;
    browser
        .wait_for("document.querySelector('#messages .text').textContent === 'for readers'")
        .await;
    browser.click("#messages a").await;
    browser
        .wait_for("document.querySelector('#detail .whole')?.textContent === 'for readers'")
        .await;
    let offered = "return document.querySelectorAll('.delete').length";
    assert_eq!(browser.eval(offered).await, json!(0));
    let url = browser.eval("return location.href").await;
    let place = url.as_str().unwrap().strip_prefix(&server.url).unwrap();
    assert!(
        place.starts_with("/#/inbox/01") && place.len() < 40,
        "{place}"
    );
    browser.click("#token-open").await;
    let all = issue(&directory, "messages:read,messages:delete").await;
    browser.type_into("#token", &all).await;
    browser.click("#token-button").await;
    browser.wait_for("document.querySelector('.delete')").await;
    browser.click(".delete").await;
    browser
        .wait_for("document.getElementById('ask').open")
        .await;
    assert_eq!(violations(&browser).await, json!([]));
    browser.click("#ask-ok").await;
    browser
        .wait_for("document.querySelectorAll('#messages li').length === 0")
        .await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn markup_in_a_message_is_shown_as_text() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    let markup = "<script>document.title = 'taken'</script><img src=x onerror=alert(1)>";
    assert_eq!(server.post(markup).await.status(), 201);
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    let text = browser
        .eval("return document.querySelector('#messages .text').textContent")
        .await;
    assert_eq!(text, json!(markup));
    let inside = "return document.querySelectorAll('#messages script, #messages img').length";
    assert_eq!(browser.eval(inside).await, json!(0));
    assert_ne!(browser.eval("return document.title").await, json!("taken"));
    assert_eq!(browser.console_errors().await, [""; 0]);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_accessible_in_light_dark_on_a_phone_and_in_russian() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    for text in [
        "The door is open",
        "Дверь закрыта",
        "A parcel is at the gate",
    ] {
        assert_eq!(server.post(text).await.status(), 201);
    }
    for (name, dark, size) in [
        ("light.png", false, DESKTOP),
        ("dark.png", true, DESKTOP),
        ("phone.png", false, PHONE),
    ] {
        let browser = opened(&server, dark, size).await;
        browser.connected().await;
        browser
            .wait_for("document.querySelectorAll('#messages li').length === 3")
            .await;
        let is_dark = "return matchMedia('(prefers-color-scheme: dark)').matches";
        assert_eq!(browser.eval(is_dark).await, json!(dark), "{name}");
        let wide = "return document.documentElement.scrollWidth > innerWidth";
        for state in [Some("service"), None, Some("message")] {
            match state {
                Some("service") => show(&browser, "~service").await,
                None => show(&browser, "inbox").await,
                Some(_) => browser.click("#messages a").await,
            }
            if state == Some("service") {
                // Until the charts have data.
                for points in 1..=3 {
                    server.get("/api/v1/ping").await;
                    let drawn = format!(
                        "document.querySelector('#charts .chart').dataset.points >= {points}"
                    );
                    browser.wait_for(&drawn).await;
                }
                assert_eq!(browser.text("health").await, "healthy");
            }
            if state == Some("message") {
                browser
                    .wait_for("document.querySelector('#detail .whole')")
                    .await;
            }
            assert_eq!(violations(&browser).await, json!([]), "{name} {state:?}");
            assert_eq!(browser.eval(wide).await, json!(false), "{name} {state:?}");
            save(&browser, &format!("{}-{name}", state.unwrap_or("list"))).await;
        }
        show(&browser, "inbox").await;
        if name == "phone.png" {
            browser.click("#drawer-open").await;
            assert_eq!(violations(&browser).await, json!([]), "{name}");
            browser.click("nav a[hreflang=ru]").await;
            browser.connected().await;
            assert_eq!(browser.text("send-h").await, "Отправить сообщение");
            assert_eq!(violations(&browser).await, json!([]), "{name}");
        }
        assert_eq!(browser.console_errors().await, [""; 0], "{name}");
        browser.close().await;
    }
}
