//! The first message after the page is opened: what it needs, and what a second load asks for.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::browser::Browser;
use crate::harness::{DESKTOP, server};
use crate::support::Server;

const LOADS: usize = 20;
/// Notes when the first frame with a message begins.
const WATCH: &str = "new MutationObserver((_, watch) => {
    if (!document.querySelector('#messages li')) return;
    watch.disconnect();
    requestAnimationFrame(() => performance.mark('first message'));
}).observe(document, { childList: true, subtree: true });";

/// A browser that loads no module of the page.
async fn without_modules(server: &Server, place: &str) -> Browser {
    let browser = Browser::start("en", false, DESKTOP).await;
    browser.devtools("Network.enable", json!({})).await;
    let blocked = json!({ "urls": ["*/page.js"] });
    browser.devtools("Network.setBlockedURLs", blocked).await;
    let url = format!("{}/{place}", server.url);
    browser.client.goto(&url).await.unwrap();
    browser
}

/// The paths of the API that the page has asked for, in order.
async fn asked(browser: &Browser) -> Vec<String> {
    let script = "return performance.getEntriesByType('resource').map((one) => new URL(one.name))
        .filter((url) => url.pathname.startsWith('/api/')).map((url) => url.pathname)";
    serde_json::from_value(browser.eval(script).await).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_message_needs_the_page_its_style_and_one_script() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    assert_eq!(server.post("the first one").await.status(), 201);
    let visible = "return document.querySelector('#messages .text')
        .checkVisibility({ visibilityProperty: true })";
    let browser = without_modules(&server, "").await;
    assert_eq!(browser.eval(visible).await, json!(true));
    assert_eq!(asked(&browser).await, [""; 0]);
    browser.close().await;

    // At another topic it is hidden, and the messages of that one are on their way before the modules are.
    let browser = without_modules(&server, "#/other").await;
    assert_eq!(browser.eval(visible).await, json!(false));
    let path = "/api/v1/topics/other/messages?order=desc&limit=50";
    assert_eq!(browser.eval("return given.path").await, json!(path));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_load_asks_for_no_file_and_no_messages() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[("RATE_LIMIT_ENABLED", "false")]).await;
    let text = "one\n\ttwo  <three> & four";
    let body = json!({ "message": text, "attributes": { "a": "1", "b.c": "<&>" } });
    let url = format!("{}/api/v1/message", server.url);
    let sent = server.client.post(url).json(&body).send().await.unwrap();
    assert_eq!(sent.status(), 201);
    let browser = Browser::start("en", false, DESKTOP).await;
    let source = json!({ "source": WATCH });
    browser
        .devtools("Page.addScriptToEvaluateOnNewDocument", source)
        .await;
    let mut milliseconds = Vec::new();
    for load in 0..LOADS {
        browser.client.goto(&server.url).await.unwrap();
        browser.connected().await;
        let at = "return performance.getEntriesByName('first message')[0].startTime";
        milliseconds.push(browser.eval(at).await.as_f64().unwrap());
        let transferred = "return performance.getEntriesByType('resource')
            .filter((one) => one.name.includes('/assets/')).reduce((sum, one) => sum + one.transferSize, 0)";
        let bytes = browser.eval(transferred).await.as_u64().unwrap();
        assert_eq!(bytes > 0, load == 0, "load {load}: {bytes} bytes of files");
        // The first page of the list; what has come since then may be asked for.
        let first_pages = "return performance.getEntriesByType('resource').map((one) => one.name)
            .filter((name) => name.includes('/inbox/messages?order=desc'))";
        assert_eq!(browser.eval(first_pages).await, json!([]), "load {load}");
    }
    println!("first message, first load: {:.0} ms", milliseconds[0]);
    milliseconds.sort_by(f64::total_cmp);
    println!(
        "first message of {LOADS} loads: median {:.0} ms, p95 {:.0} ms",
        milliseconds[LOADS / 2],
        milliseconds[LOADS * 95 / 100]
    );
    // The response that is on its way before the modules are is the one that the list wants.
    let other = format!("{}/?lang=en#/other", server.url);
    browser.client.goto(&other).await.unwrap();
    browser.connected().await;
    let messages = "/api/v1/topics/other/messages";
    let asked = asked(&browser).await;
    assert_eq!(
        asked.iter().filter(|path| *path == messages).count(),
        1,
        "{asked:?}"
    );
    browser.client.goto(&server.url).await.unwrap();
    browser.connected().await;
    // The message is whole, although it was read from the page.
    browser.click("#messages a").await;
    let whole = "return document.querySelector('#detail .whole')?.textContent";
    browser
        .wait_for("document.querySelector('#detail .whole')")
        .await;
    assert_eq!(browser.eval(whole).await, json!(text));
    let chips =
        "return [...document.querySelectorAll('.attributes li')].map((one) => one.textContent)";
    assert_eq!(browser.eval(chips).await, json!(["a1", "b.c<&>"]));
    assert_eq!(browser.console_errors().await, [""; 0]);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_messages_than_the_page_has_are_loaded_by_its_script() {
    let directory = TempDir::new().unwrap();
    let settings = [
        ("RATE_LIMIT_ENABLED", "false"),
        ("MAX_MESSAGE_LENGTH", "50000"),
    ];
    let server = server(&directory, &settings).await;
    for number in 0..3 {
        let text = format!("{number} {}", "x".repeat(20_000));
        assert_eq!(server.post(&text).await.status(), 201);
    }
    let browser = Browser::start("en", false, DESKTOP).await;
    browser.client.goto(&server.url).await.unwrap();
    browser.connected().await;
    browser
        .wait_for("document.querySelectorAll('#messages li').length === 3")
        .await;
    // One that is too long for the page.
    assert_eq!(server.post(&"y".repeat(40_000)).await.status(), 201);
    browser.client.refresh().await.unwrap();
    browser.connected().await;
    browser
        .wait_for("document.querySelectorAll('#messages li').length === 4")
        .await;
    let read: Value = json!("/api/v1/topics/inbox/messages");
    assert!(asked(&browser).await.iter().any(|path| *path == read));
    browser.close().await;
}
