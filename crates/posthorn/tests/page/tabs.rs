//! Many tabs of the page in one browser.

use fantoccini::Locator;
use posthorn_testkit::eventually;
use serde_json::json;
use tempfile::TempDir;

use crate::browser::Browser;
use crate::harness::{DESKTOP, opened, server};
use crate::support::{PATIENCE, Server};

const TABS: usize = 10;

async fn newest(browser: &Browser, text: &str) {
    let script = format!("document.querySelector('#messages .text')?.textContent === '{text}'");
    browser.wait_for(&script).await;
}

/// Waits until the server has this many streams.
async fn streams(server: &Server, wanted: f64) {
    let open = "app_streams_open";
    eventually(PATIENCE, async || server.metric(open).await == Some(wanted)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_tabs_have_one_stream_and_each_shows_every_message() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[("RATE_LIMIT_ENABLED", "false")]).await;
    let browser = opened(&server, false, DESKTOP).await;
    let first = browser.client.window().await.unwrap();
    let mut tabs = vec![first.clone()];
    for number in 1..TABS {
        let tab = browser.client.new_window(true).await.unwrap().handle;
        browser.client.switch_to_window(tab.clone()).await.unwrap();
        let place = if number == TABS - 1 { "other" } else { "inbox" };
        let url = format!("{}/?lang=en#/{place}", server.url);
        browser.client.goto(&url).await.unwrap();
        browser.connected().await;
        tabs.push(tab);
    }
    let other = tabs.pop().unwrap();
    streams(&server, 1.0).await;
    assert_eq!(server.post("to every tab").await.status(), 201);
    for tab in &tabs {
        browser.client.switch_to_window(tab.clone()).await.unwrap();
        newest(&browser, "to every tab").await;
    }
    // A tab with another topic follows that one, and the browser still has one stream.
    let url = format!("{}/api/v1/topics/other/messages", server.url);
    let sent = server.client.post(url).body("to the other").send().await;
    assert_eq!(sent.unwrap().status(), 201);
    browser.client.switch_to_window(other).await.unwrap();
    newest(&browser, "to the other").await;
    streams(&server, 1.0).await;

    // The tab with the stream is closed: another one takes over, and nothing is missed.
    browser.client.switch_to_window(first).await.unwrap();
    browser.client.close_window().await.unwrap();
    assert_eq!(server.post("after the first").await.status(), 201);
    for tab in tabs.iter().skip(1) {
        browser.client.switch_to_window(tab.clone()).await.unwrap();
        newest(&browser, "after the first").await;
        let rows = browser.client.find_all(Locator::Css("#messages li")).await;
        assert_eq!(rows.unwrap().len(), 2);
    }
    streams(&server, 1.0).await;
    assert_eq!(browser.console_errors().await, [""; 0]);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_between_an_empty_list_and_its_stream_is_shown() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    let browser = Browser::start("en", false, DESKTOP).await;
    let script =
        "const real = window.fetch; let sent = false; window.fetch = async (url, options) => {
        if (String(url).endsWith('/stream') && !sent) {
            sent = true;
            await real('/api/v1/topics/inbox/messages', { method: 'POST', body: 'in between' });
        }
        return real(url, options);
    };";
    let source = json!({ "source": script });
    browser
        .devtools("Page.addScriptToEvaluateOnNewDocument", source)
        .await;
    browser.client.goto(&server.url).await.unwrap();
    newest(&browser, "in between").await;
    assert_eq!(browser.console_errors().await, [""; 0]);
    browser.close().await;
}
