//! Counts, charts and marks: that they say what is, and can be read.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{DESKTOP, composing, opened, save, server, show, violations};
use crate::support::Server;

async fn put(server: &Server, path: &str, body: Value) {
    let url = format!("{}/api/v1/topics/{path}", server.url);
    let response = server.client.put(url).json(&body).send().await.unwrap();
    response.error_for_status().unwrap();
}

async fn post(server: &Server, path: &str, body: Value) -> Value {
    let url = format!("{}/api/v1/topics/{path}", server.url);
    let response = server.client.post(url).json(&body).send().await.unwrap();
    let response = response.error_for_status().unwrap();
    response.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_of_consumers_and_of_dead_letters_are_told_apart_and_drawn() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    for number in 0..5 {
        let text = format!("job {number}");
        post(&server, "jobs/messages", json!({ "message": text })).await;
    }
    for name in ["mailer", "printer"] {
        let path = format!("jobs/consumers/{name}");
        put(&server, &path, json!({ "max_attempts": 1 })).await;
    }
    let pulled = post(&server, "jobs/consumers/mailer/pull", json!({ "max": 3 })).await;
    let messages = pulled["messages"].as_array().unwrap().iter();
    let leases: Vec<_> = messages.map(|message| &message["lease"]).collect();
    post(
        &server,
        "jobs/consumers/mailer/nack",
        json!({ "leases": leases }),
    )
    .await;
    let browser = opened(&server, false, DESKTOP).await;
    show(&browser, "jobs/consumers").await;
    browser
        .wait_for("document.querySelectorAll('#consumers > li').length === 2")
        .await;
    let badges = "return [...document.querySelectorAll('#view-consumers .badge')].map((one) => one.firstChild.textContent)";
    assert_eq!(browser.eval(badges).await, json!(["2", "3"]));
    assert_eq!(browser.text("consumers-bad").await, "3 dead");
    // The first reading is drawn already, and each count has a line with a name.
    let lines = "return [...document.querySelectorAll('#consumers > li:first-child .chart path:not(.area)')]
        .map((path) => Boolean(path.getAttribute('d')))";
    assert_eq!(browser.eval(lines).await, json!([true, true, true, true]));
    let names = "return [...document.querySelectorAll('#consumers > li:first-child .chart i')].map((one) => one.textContent)";
    assert_eq!(
        browser.eval(names).await,
        json!(["waiting", "in flight", "dead"])
    );
    let drawn = "return document.querySelector('#consumers .chart path').getTotalLength() === 0
        && getComputedStyle(document.querySelector('#consumers .chart path')).strokeLinecap";
    assert_eq!(browser.eval(drawn).await, json!("round"));
    assert_eq!(violations(&browser).await, json!([]));
    save(&browser, "figures.png").await;
    // What is not configured is not well.
    show(&browser, "~service").await;
    browser
        .wait_for("document.querySelector('#parts .not_configured')")
        .await;
    let current =
        "return [...document.querySelectorAll('.rail [aria-current=page]')].map((one) => one.id)";
    assert_eq!(browser.eval(current).await, json!(["service-open"]));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_new_in_a_topic_is_still_known_after_a_reload() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    for topic in ["inbox", "jobs"] {
        let path = format!("{topic}/messages");
        post(&server, &path, json!({ "message": "seen" })).await;
    }
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    browser
        .wait_for("document.querySelector('[data-topic=jobs] .count')")
        .await;
    browser.client.goto("about:blank").await.unwrap();
    for text in ["one", "two"] {
        post(&server, "jobs/messages", json!({ "message": text })).await;
    }
    browser.client.goto(&server.url).await.unwrap();
    browser
        .wait_for("document.querySelector('[data-topic=jobs] .badge')?.textContent === '2'")
        .await;
    // A message is sent to a topic that is not shown: the page stays, and the receipt leads there.
    browser.connected().await;
    composing(&browser, "#compose-open").await;
    browser.eval("topic.value = 'jobs'").await;
    browser.type_into("#text", "three").await;
    browser.click("#send-button").await;
    browser
        .wait_for("receipt.querySelector('a')?.hash.startsWith('#/jobs/01')")
        .await;
    assert_eq!(browser.text("topic-name").await, "inbox");
    assert_eq!(violations(&browser).await, json!([]));
    browser.click("#receipt a").await;
    browser
        .wait_for("document.querySelector('#detail .whole')?.textContent === 'three'")
        .await;
    // A rejected field is named where it is, not by the words of the API.
    browser.eval("topic.value = 'Not A Topic'").await;
    browser.type_into("#text", "four").await;
    browser.click("#send-button").await;
    browser
        .wait_for("receipt.textContent === 'Not sent: see the marked fields.'")
        .await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_not_broken_and_long_attributes_leave_space_for_messages() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    let many: serde_json::Map<_, _> = (10..26)
        .map(|number| (format!("key-{number}"), json!("v".repeat(200))))
        .collect();
    for attributes in [json!({ "key-0": "v" }), json!(many)] {
        let body = json!({ "message": "text", "attributes": attributes });
        post(&server, "inbox/messages", body).await;
    }
    put(&server, "inbox/consumers/mailer", json!({})).await;
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    let cut = "return [...document.querySelectorAll('#messages .chip b')].filter((one) => one.scrollWidth > one.clientWidth).length";
    assert_eq!(browser.eval(cut).await, json!(0));
    let tall = "return Math.max(...[...document.querySelectorAll('#messages li')].map((one) => one.offsetHeight)) < 300";
    for width in [1280, 320] {
        browser.resize(width, 800, 1).await;
        assert_eq!(browser.eval(tall).await, json!(true), "{width}");
    }
    // A word of a heading stays on one line.
    let page = format!("{}/?lang=ru#/inbox/consumers", server.url);
    browser.client.goto(&page).await.unwrap();
    browser
        .wait_for("document.querySelector('#consumers h4')")
        .await;
    let broken = "return [...document.querySelectorAll('#consumers-view :is(h3, h4)')]
        .filter((one) => { const range = document.createRange(); range.selectNodeContents(one); return range.getClientRects().length > 1; })
        .map((one) => one.textContent)";
    assert_eq!(browser.eval(broken).await, json!([]));
    // A border that is transparent is not drawn in forced colours.
    let forced = json!({ "features": [{ "name": "forced-colors", "value": "active" }] });
    browser.devtools("Emulation.setEmulatedMedia", forced).await;
    let borders = "return [...document.querySelectorAll('.views a:not([aria-current])')]
        .filter((one) => getComputedStyle(one).borderBottomWidth !== '0px').length";
    assert_eq!(browser.eval(borders).await, json!(0));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_topics_that_is_cut_says_so() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    let browser = opened(&server, false, DESKTOP).await;
    let listed = async |count: usize, is_cut: bool| {
        browser.client.refresh().await.unwrap();
        let is_hidden = !is_cut;
        let script = format!(
            "document.querySelectorAll('#topics .count').length === {count}
                && document.getElementById('topics-more').hidden === {is_hidden}"
        );
        browser.wait_for(&script).await;
    };
    post(&server, "inbox/messages", json!({ "message": "text" })).await;
    listed(1, false).await;
    for number in 0..200 {
        let path = format!("topic-{number}/messages");
        post(&server, &path, json!({ "message": "text" })).await;
    }
    listed(200, true).await;
    browser.close().await;
}
