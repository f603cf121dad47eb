//! The page on small screens, at a large zoom, in forced colours, and with texts that are hard to lay out.

use fantoccini::Locator;
use serde_json::json;
use tempfile::TempDir;

use crate::browser::Browser;
use crate::harness::{DESKTOP, composing, opened, save, server, show, violations};

const WIDE: &str = "return document.documentElement.scrollWidth > innerWidth";

/// Checks that nothing is cut off or inaccessible in each state of the page.
async fn check_states(browser: &Browser, name: &str) {
    for place in [
        "inbox",
        "inbox/consumers",
        "inbox/webhooks",
        "~service",
        "empty",
    ] {
        show(browser, place).await;
        browser.connected().await;
        assert_eq!(violations(browser).await, json!([]), "{name} {place}");
        assert_eq!(browser.eval(WIDE).await, json!(false), "{name} {place}");
    }
    show(browser, "inbox").await;
    browser
        .wait_for("document.querySelectorAll('#messages li').length === 3")
        .await;
    let count = "return document.querySelectorAll('#messages a').length";
    for index in 0..browser.eval(count).await.as_u64().unwrap() {
        browser
            .eval(&format!(
                "document.querySelectorAll('#messages a')[{index}].click()"
            ))
            .await;
        browser
            .wait_for("document.querySelector('#detail .whole')")
            .await;
        assert_eq!(violations(browser).await, json!([]), "{name} {index}");
        assert_eq!(browser.eval(WIDE).await, json!(false), "{name} {index}");
        save(browser, &format!("{name}-{index}.png")).await;
        browser
            .eval("document.getElementById('detail-close').click()")
            .await;
        browser.wait_for("detail.hidden").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_and_right_to_left_texts_fit_every_screen() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    let url = format!("{}/api/v1/topics/inbox/messages", server.url);
    let long = "x".repeat(1000);
    let object = json!({ "key": "v".repeat(300), "list": [1, 2] }).to_string();
    for (text, value) in [
        ("שלום עולם (1), هذا اختبار!", "ערך"),
        (long.as_str(), &*"w".repeat(256)),
        (object.as_str(), "short"),
    ] {
        let body = json!({ "message": text, "attributes": { "a": value, "k".repeat(64): value } });
        let response = server.client.post(&url).json(&body).send().await;
        assert_eq!(response.unwrap().status(), 201);
    }
    let name = "c".repeat(64);
    let consumer = format!("{}/api/v1/topics/inbox/consumers/{name}", server.url);
    let created = server.client.put(consumer).json(&json!({})).send().await;
    assert_eq!(created.unwrap().status(), 201);
    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    let direction = "return [...document.querySelectorAll('#messages .text')].map((one) => getComputedStyle(one).direction)";
    assert_eq!(browser.eval(direction).await, json!(["ltr", "ltr", "rtl"]));
    check_states(&browser, "wide").await;
    browser.resize(320, 640, 1).await;
    check_states(&browser, "narrow").await;
    composing(&browser, "#compose-bar").await;
    assert_eq!(violations(&browser).await, json!([]));
    assert_eq!(browser.eval(WIDE).await, json!(false));
    save(&browser, "narrow-compose.png").await;
    browser.press("\u{e00c}").await;
    // A window of 1280 × 1024 at 400 %.
    browser.resize(320, 256, 4).await;
    check_states(&browser, "zoom").await;
    assert_eq!(browser.console_errors().await, [""; 0]);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forced_colours_and_reduced_motion_are_respected() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    for text in ["one", "two", "three"] {
        assert_eq!(server.post(text).await.status(), 201);
    }
    let browser = opened(&server, false, DESKTOP).await;
    let features = json!({ "features": [
        { "name": "forced-colors", "value": "active" },
        { "name": "prefers-reduced-motion", "value": "reduce" },
    ] });
    browser
        .devtools("Emulation.setEmulatedMedia", features)
        .await;
    browser.connected().await;
    check_states(&browser, "forced").await;
    browser.click("#messages a").await;
    let chosen =
        "return getComputedStyle(document.querySelector('#messages [aria-current]')).outlineStyle";
    assert_eq!(browser.eval(chosen).await, json!("solid"));
    assert_eq!(server.post("four").await.status(), 201);
    browser.wait_for("document.querySelector('.fresh')").await;
    let moves = "return document.getAnimations().length";
    assert_eq!(browser.eval(moves).await, json!(0));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_scripts_the_page_shows_the_service_and_its_endpoints() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    assert_eq!(server.post("read without scripts").await.status(), 201);
    let browser = Browser::start_without_scripts(DESKTOP).await;
    browser.client.goto(&server.url).await.unwrap();
    let body = browser.client.find(Locator::Css("body")).await.unwrap();
    let shown = body.text().await.unwrap();
    for text in [
        "Without it:",
        "read without scripts",
        "Version",
        "development",
        "POST /api/v1/message",
        "GET /api/v1/info",
    ] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    for text in ["Compose", "Topics", "Consumers", "Your quotas"] {
        assert!(!shown.contains(text), "{text}: {shown}");
    }
    save(&browser, "without-scripts.png").await;
    browser.close().await;
}
