//! Many messages at once: the page stays usable, and shows each of them once and in order.

use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;

use crate::browser::Browser;
use crate::harness::{DESKTOP, call, offline, opened, server, show, violations};
use crate::support::Server;

/// The longest time for which a batch may keep the page busy, in milliseconds. One layout for each message takes 20 times
/// as long.
const MOST_BUSY: f64 = 1500.0;
const TEXTS: &str = "[...document.querySelectorAll('#messages .text')].map((p) => p.textContent)";
/// Measures the longest time between two turns of a timer.
const WATCH: &str = "let last = performance.now(); window.busiest = 0;
    setInterval(() => {
        const now = performance.now();
        window.busiest = Math.max(window.busiest, now - last);
        last = now;
    }, 10);";

/// Stores messages with a name and a number as one batch.
async fn store(server: &Server, name: &str, count: usize) {
    let batch: Vec<_> = (0..count)
        .map(|n| json!({ "message": format!("{name} {n}") }))
        .collect();
    let path = "/api/v1/topics/inbox/messages/batch";
    call(server, Method::POST, path, json!(batch)).await;
}

async fn newest(browser: &Browser, text: &str) {
    let script = format!("{TEXTS}[0] === '{text}'");
    browser.wait_for(&script).await;
}

/// Checks that the list is the end of the topic, from the newest message on.
async fn is_end_of_topic(browser: &Browser, server: &Server) {
    let mut expected = server.all_texts("inbox").await;
    expected.reverse();
    let shown = browser.eval(&format!("return {TEXTS}")).await;
    let count = shown.as_array().unwrap().len();
    assert!((50..=300).contains(&count), "{count}");
    assert_eq!(shown, json!(expected[..count]));
}

async fn busiest(browser: &Browser) -> f64 {
    browser
        .eval("return window.busiest")
        .await
        .as_f64()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_a_thousand_messages_does_not_block_the_page() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[("RATE_LIMIT_ENABLED", "false")]).await;
    assert_eq!(server.post("before").await.status(), 201);
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    browser.eval(WATCH).await;
    store(&server, "live", 1000).await;
    newest(&browser, "live 999").await;
    let busy = busiest(&browser).await;
    println!("a batch of 1,000 messages: busy for {busy:.0} ms");
    assert!(busy < MOST_BUSY, "{busy} ms");
    is_end_of_topic(&browser, &server).await;
    browser
        .wait_for("/^\\d+ new messages$/.test(announcer.textContent)")
        .await;
    // What a person reads stays in its place.
    browser
        .eval("list.scrollTop = 2000; window.row = [...document.querySelectorAll('#messages li')]
            .find((one) => one.getBoundingClientRect().top > 300); window.top_ = row.getBoundingClientRect().top")
        .await;
    store(&server, "more", 500).await;
    browser.wait_for("newest.textContent === '500 new ↑'").await;
    let moved = "return row.isConnected && Math.abs(row.getBoundingClientRect().top - top_) < 1";
    assert_eq!(browser.eval(moved).await, json!(true));
    browser.click("#newest").await;
    newest(&browser, "more 499").await;
    is_end_of_topic(&browser, &server).await;
    assert_eq!(browser.console_errors().await, [""; 0]);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_missed_messages_are_loaded_as_a_page() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[("RATE_LIMIT_ENABLED", "false")]).await;
    assert_eq!(server.post("before").await.status(), 201);
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    browser.devtools("Network.enable", json!({})).await;
    // A list that was loaded a while ago.
    browser
        .eval(
            "const now = performance.now.bind(performance); performance.now = () => now() + 60000",
        )
        .await;
    offline(&browser, true).await;
    browser.wait_for("link.textContent === 'No network.'").await;
    for name in ["first", "second"] {
        store(&server, name, 1000).await;
    }
    browser.eval(WATCH).await;
    offline(&browser, false).await;
    newest(&browser, "second 999").await;
    browser.connected().await;
    let busy = busiest(&browser).await;
    println!("2,000 missed messages: busy for {busy:.0} ms");
    assert!(busy < MOST_BUSY, "{busy} ms");
    is_end_of_topic(&browser, &server).await;
    assert_eq!(server.post("after").await.status(), 201);
    newest(&browser, "after").await;
    is_end_of_topic(&browser, &server).await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_keeps_what_it_has_found_while_older_messages_are_searched() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[("RATE_LIMIT_ENABLED", "false")]).await;
    store(&server, "early", 500).await;
    store(&server, "late", 50).await;
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    show(&browser, "inbox").await;
    browser.type_into("#find", "9").await;
    for _ in 0..9 {
        let loaded =
            "return Number(/of (\\d+)/.exec(document.getElementById('find-hint').textContent)[1])";
        let before = browser.eval(loaded).await;
        browser.eval("older.click()").await;
        browser
            .wait_for(&format!("Number(/of (\\d+)/.exec(document.getElementById('find-hint').textContent)[1]) > {before}"))
            .await;
    }
    let first = "return document.querySelector('#messages li:not([hidden]) .text').textContent";
    assert_eq!(browser.eval(first).await, json!("late 49"));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_and_invisible_texts_are_cut_at_a_whole_character_and_named() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    let family = "👩‍👩‍👧‍👦".repeat(60);
    for text in [family.as_str(), "\u{200b}\u{200b}"] {
        assert_eq!(server.post(text).await.status(), 201);
    }
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    let texts = browser.eval(&format!("return {TEXTS}")).await;
    assert_eq!(texts[0], json!("(invisible characters only)"));
    let cut = texts[1].as_str().unwrap().strip_suffix('…').unwrap();
    assert!(family.starts_with(cut) && cut.ends_with('👦'), "{cut}");
    browser.click("#messages a").await;
    browser
        .wait_for("document.querySelector('#detail .whole')?.textContent === '(invisible characters only)'")
        .await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn characters_that_reorder_a_text_are_shown_as_escapes() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    let message = json!({
        "message": "\u{202e}evil\u{202c} override", "attributes": { "from": "a\u{2066}b" },
    });
    call(
        &server,
        Method::POST,
        "/api/v1/topics/inbox/messages",
        message,
    )
    .await;
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    browser.click("#messages a").await;
    browser
        .wait_for("document.querySelector('#detail .whole')")
        .await;
    let expected = [r"\u{202e}evil\u{202c} override", r"a\u{2066}b"];
    for place in ["#messages", "#detail"] {
        let shown = format!(
            "return ['.text, .whole', 'bdi'].map((one) => document.querySelector('{place}').querySelector(one).textContent)"
        );
        assert_eq!(browser.eval(&shown).await, json!(expected), "{place}");
        let marked = format!("return document.querySelectorAll('{place} .escape').length");
        assert_eq!(browser.eval(&marked).await, json!(3), "{place}");
    }
    assert_eq!(violations(&browser).await, json!([]));
    browser.close().await;
}
