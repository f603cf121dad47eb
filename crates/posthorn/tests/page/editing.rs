//! What a person types: attributes, dialogs, drafts, the names of topics, and addresses.

use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;

use crate::browser::Browser;
use crate::harness::{DESKTOP, PHONE, call, composing, opened, server, show, violations};

/// Adds attributes to the message in the panel for sending.
const ADD: &str = "for (const pair of PAIRS) {
    document.getElementById('pair-add').click();
    const inputs = document.querySelectorAll('#pairs li:last-child input');
    inputs.forEach((input, at) => { input.value = pair[at]; });
}";
/// The inputs of attributes that are marked, by their line and their class.
const MARKED: &str = "return [...document.querySelectorAll('#pairs [aria-invalid]')]
    .map((one) => [...document.querySelectorAll('#pairs li')].indexOf(one.closest('li')) + one.className)";

async fn sending(browser: &Browser, receipt: &str) {
    browser.click("#send-button").await;
    let script = format!("receipt.textContent.startsWith('{receipt}')");
    browser.wait_for(&script).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_attribute_is_lost_and_an_error_is_at_its_input() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    composing(&browser, "#compose-open").await;
    browser.type_into("#text", "with attributes").await;
    let pairs = json!([
        ["", "1"],
        ["same", "2"],
        ["same", "3"],
        ["__proto__", "4"],
        ["", ""]
    ]);
    browser
        .eval(&ADD.replace("PAIRS", &pairs.to_string()))
        .await;
    sending(&browser, "Not sent").await;
    assert_eq!(browser.eval(MARKED).await, json!(["0key", "2key"]));
    let focused = "return document.activeElement === document.querySelector('#pairs .key')";
    assert_eq!(browser.eval(focused).await, json!(true));
    assert_eq!(violations(&browser).await, json!([]));
    assert!(server.all_texts("inbox").await.is_empty());
    // What the server says of an attribute is at the attribute too.
    browser
        .eval(
            "const inputs = document.querySelectorAll('#pairs input'); receipt.textContent = '';
            inputs[0].value = 'Bad Key'; inputs[4].value = 'other'; inputs[5].value = '\\u0007';",
        )
        .await;
    sending(&browser, "Not sent").await;
    browser
        .wait_for("document.querySelectorAll('#pairs [aria-invalid]').length === 2")
        .await;
    assert_eq!(browser.eval(MARKED).await, json!(["0key", "2value"]));
    assert_eq!(browser.eval(focused).await, json!(true));
    assert_eq!(browser.text("text-error").await, "");
    browser
        .eval("const inputs = document.querySelectorAll('#pairs input'); inputs[0].value = 'good'; inputs[5].value = '3';")
        .await;
    sending(&browser, "Stored").await;
    let stored = server.get_json("/api/v1/topics/inbox/messages").await;
    let attributes = &stored["messages"][0]["attributes"];
    let expected = json!({ "good": "1", "same": "2", "other": "3", "__proto__": "4" });
    assert_eq!(*attributes, expected);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_kept_when_the_language_changes() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    composing(&browser, "#compose-open").await;
    browser.type_into("#text", "half a sent").await;
    browser
        .eval(&ADD.replace("PAIRS", "[['city', 'Oslo']]"))
        .await;
    browser.click("nav a[hreflang=ru]").await;
    browser
        .wait_for("document.documentElement.lang === 'ru' && !composer.hidden && text.value === 'half a sent'")
        .await;
    let pair = "return [...document.querySelectorAll('#pairs input')].map((one) => one.value)";
    assert_eq!(browser.eval(pair).await, json!(["city", "Oslo"]));
    // Once: a later load has no draft.
    browser.client.refresh().await.unwrap();
    browser.connected().await;
    assert_eq!(browser.eval("return composer.hidden").await, json!(true));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_of_a_dialog_that_is_wrong_is_marked() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    show(&browser, "inbox/consumers").await;
    browser.click("#consumers-new").await;
    browser.type_into("#ask-name", "mailer").await;
    for (attempts, text) in [
        ("ten", "Enter a number."),
        ("2.5", "The number must be between 1 and 1000."),
    ] {
        let script = format!("document.getElementById('ask-max').value = '{attempts}'");
        browser.eval(&script).await;
        browser.click("#ask-ok").await;
        browser
            .wait_for(&format!(
                "document.getElementById('ask-max-error').textContent === '{text}'"
            ))
            .await;
        let marked =
            "return [...document.querySelectorAll('#ask [aria-invalid]')].map((one) => one.id)";
        assert_eq!(browser.eval(marked).await, json!(["ask-max"]));
        let focused = "return document.activeElement.id";
        assert_eq!(browser.eval(focused).await, json!("ask-max"));
        assert_eq!(violations(&browser).await, json!([]));
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_topics_scrolls_alone_stays_where_it_is_and_is_filtered() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[("RATE_LIMIT_ENABLED", "false")]).await;
    for number in 0..100 {
        let path = format!("/api/v1/topics/topic-{number}/messages");
        call(&server, Method::POST, &path, json!({ "message": "text" })).await;
    }
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    browser.wait_for("topics.children.length === 101").await;
    let in_sight = "['open-name', 'service-open', 'keys-open'].every((id) => {
        const { top, bottom } = document.getElementById(id).getBoundingClientRect();
        return top >= 0 && bottom <= innerHeight;
    })";
    browser.wait_for(in_sight).await;
    // It is read again every ten seconds.
    browser
        .eval("topics.querySelector('a').focus(); topics.scrollTop = 1000; window.row = topics.children[50]")
        .await;
    browser.wait_for("!row.isConnected").await;
    assert_eq!(browser.eval("return topics.scrollTop").await, json!(1000));
    browser.type_into("#open-name", "c-7").await;
    let names = "[...topics.querySelectorAll('.name')].map((one) => one.textContent).join()";
    let found: Vec<_> = std::iter::once("inbox".to_owned())
        .chain(std::iter::once("topic-7".to_owned()))
        .chain((70..80).map(|number| format!("topic-{number}")))
        .collect();
    browser
        .wait_for(&format!(
            "{names}.split(',').sort().join() === '{}'",
            found.join(",")
        ))
        .await;
    assert_eq!(violations(&browser).await, json!([]));
    browser.press("\u{e00c}").await;
    browser.wait_for("topics.children.length === 101").await;
    browser.close().await;

    let browser = opened(&server, false, PHONE).await;
    browser.connected().await;
    browser.wait_for("topics.children.length === 101").await;
    browser.click("#drawer-open").await;
    browser
        .wait_for("rail.getBoundingClientRect().left === 0")
        .await;
    browser.wait_for(in_sight).await;
    assert_eq!(violations(&browser).await, json!([]));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_title_names_what_is_shown_and_a_wrong_address_is_corrected() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    for (place, title) in [
        ("jobs", "jobs · posthorn"),
        ("jobs/consumers", "jobs: Consumers · posthorn"),
        ("jobs/webhooks", "jobs: Webhooks · posthorn"),
        ("~service", "Service · posthorn"),
    ] {
        show(&browser, place).await;
        browser
            .wait_for(&format!("document.title === '{title}'"))
            .await;
    }
    show(&browser, "No_Such!/x").await;
    browser
        .wait_for("location.hash === '#/jobs' && /1 to 64 characters/.test(toast.textContent)")
        .await;
    browser.close().await;
}
