//! A topic with ten thousand messages: paging without end, finding, and memory that stays flat.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::browser::Browser;
use crate::harness::{DESKTOP, opened, server};
use crate::support::Server;

const ALL: usize = 10_000;
const BATCH: usize = 1000;
/// The most rows of the list, whatever was loaded.
const MOST_ROWS: u64 = 300;
const ROWS: &str = "return document.querySelectorAll('#messages li').length";
const NEWEST: &str = "document.querySelector('#messages .text')?.textContent";
const ENTER: &str = "\u{e007}";

/// Stores messages `from` and the following as one batch; returns the id of the first.
async fn store(server: &Server, from: usize) -> String {
    let texts =
        (from..from + BATCH).map(|number| json!({ "message": format!("message {number}") }));
    let url = format!("{}/api/v1/topics/inbox/messages/batch", server.url);
    let body: Vec<Value> = texts.collect();
    let response = server.client.post(url).json(&body).send().await.unwrap();
    let receipts: Value = response.error_for_status().unwrap().json().await.unwrap();
    receipts["receipts"][0]["id"].as_str().unwrap().to_owned()
}

async fn heap(browser: &Browser) -> f64 {
    browser
        .devtools("HeapProfiler.collectGarbage", json!({}))
        .await;
    let bytes = browser
        .eval("return performance.memory.usedJSHeapSize")
        .await;
    bytes.as_f64().unwrap() / 1e6
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_messages_are_paged_and_found_in_constant_memory() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[("RATE_LIMIT_ENABLED", "false")]).await;
    let first = store(&server, 0).await;
    for from in (BATCH..ALL).step_by(BATCH) {
        store(&server, from).await;
    }
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    browser.client.refresh().await.unwrap();
    browser.connected().await;
    let mark = "return performance.getEntriesByName('messages')[0].startTime";
    println!(
        "first message after a load: {} ms",
        browser.eval(mark).await
    );
    browser
        .wait_for(&format!("{NEWEST} === 'message 9999'"))
        .await;

    // Back by a thousand messages, with few of them in the document.
    let reached = |number: usize| {
        format!(
            "(older.scrollIntoView(), document.querySelector('#messages li:last-child .text').textContent.slice(8) <= {number})"
        )
    };
    for number in (9000..9900).rev().step_by(100) {
        browser.wait_for(&reached(number)).await;
        assert!(browser.eval(ROWS).await.as_u64().unwrap() <= MOST_ROWS);
    }
    // New messages do not move what is read.
    browser
        .eval("window.row = [...document.querySelectorAll('#messages li')].at(-9); row.scrollIntoView()")
        .await;
    let top = async || {
        let top = "return row.getBoundingClientRect().top";
        browser.eval(top).await.as_f64().unwrap()
    };
    let before = top().await;
    assert_eq!(server.post("new").await.status(), 201);
    browser.wait_for("newest.textContent === '1 new ↑'").await;
    // A browser scrolls by whole pixels.
    let moved = top().await - before;
    assert!(moved.abs() < 1.0, "{moved} pixels");
    browser.click("#newest").await;
    browser.wait_for(&format!("{NEWEST} === 'new'")).await;

    // To an id and to a time, from where later messages are loaded too.
    browser.type_into("#find", &first).await;
    assert_eq!(
        browser.text("find-hint").await,
        "Enter: go to this message."
    );
    browser.type_into("#find", ENTER).await;
    browser
        .wait_for("document.querySelector('#detail .whole')?.textContent === 'message 0'")
        .await;
    browser
        .wait_for(
            "document.querySelector('#messages li:last-child .text').textContent === 'message 0'",
        )
        .await;
    browser
        .eval("document.getElementById('newer').scrollIntoView()")
        .await;
    browser
        .wait_for(&format!("{NEWEST} === 'message 99'"))
        .await;
    browser
        .eval("document.getElementById('find').value = ''")
        .await;
    browser.type_into("#find", "1h").await;
    browser.type_into("#find", ENTER).await;
    browser
        .wait_for(&format!("{NEWEST} === 'message 49'"))
        .await;
    // A filter shows what fits of the loaded messages.
    browser.type_into("#find", "message 4").await;
    browser
        .wait_for("document.getElementById('find-hint').textContent === '14 of 50 loaded match.'")
        .await;
    assert_eq!(browser.console_errors().await, [""; 0]);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tab_that_followed_ten_thousand_messages_has_not_grown() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[("RATE_LIMIT_ENABLED", "false")]).await;
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    let mut early = 0.0;
    for from in (0..ALL).step_by(BATCH) {
        store(&server, from).await;
        let last = from + BATCH - 1;
        browser
            .wait_for(&format!("{NEWEST} === 'message {last}'"))
            .await;
        if from == BATCH {
            early = heap(&browser).await;
        }
    }
    let late = heap(&browser).await;
    println!("heap after 2,000 messages: {early:.1} MB, after 10,000: {late:.1} MB");
    assert!(late < early + 2.0, "{early} {late}");
    assert!(browser.eval(ROWS).await.as_u64().unwrap() <= MOST_ROWS);
    browser.close().await;
}

/// Sends a message after the server has made a page of messages, and hands the page out once the stream has it.
const LATE_PAGE: &str = "const { fetch } = window;
    window.fetch = async (url, options) => {
        const answer = await fetch(url, options);
        if (!/[&?](after|since)=/.test(url) || /stream/.test(url)) return answer;
        window.fetch = fetch;
        const body = JSON.stringify({ message: 'late' });
        const headers = { 'Content-Type': 'application/json' };
        await fetch('/api/v1/message', { method: 'POST', headers, body });
        while (!/new/.test(newest.textContent)) await new Promise((done) => setTimeout(done, 10));
        return answer;
    };";

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_arrives_while_a_page_is_loaded_is_in_the_list() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[("RATE_LIMIT_ENABLED", "false")]).await;
    let mut ids = Vec::new();
    for number in 0..220 {
        let receipt = server.post(&format!("message {number}")).await;
        ids.push(receipt.json::<Value>().await.unwrap()["id"].clone());
    }
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    // The messages around an old one, and from there the last page.
    browser.type_into("#find", ids[40].as_str().unwrap()).await;
    browser.type_into("#find", ENTER).await;
    browser
        .wait_for("document.querySelector('#detail .whole')?.textContent === 'message 40'")
        .await;
    browser.eval(LATE_PAGE).await;
    browser
        .wait_for("(newer.scrollIntoView(), document.querySelector('#messages .text').textContent === 'late')")
        .await;
    let texts = "return [...document.querySelectorAll('#messages .text')].slice(0, 3).map((text) => text.textContent)";
    let expected = json!(["late", "message 219", "message 218"]);
    assert_eq!(browser.eval(texts).await, expected);
    browser.close().await;
}
