//! The webhooks on the page, in a real browser.

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::browser::Browser;
use crate::harness::{
    DESKTOP, PHONE, asked_for_token, enter, issue, loaded_elsewhere, opened, protected_server,
    save, server, show, violations,
};
use crate::receiver::Receiver;
use crate::support::Server;

const ENTER: &str = "\u{e007}";
const ALLOWED: (&str, &str) = ("WEBHOOK_ALLOW_CIDRS", "127.0.0.1");
const SECRET_KEY: (&str, &str) = ("SECRET_KEY", "0123456789abcdef0123456789abcdef");
const LETTERS: &str = "document.querySelectorAll('#webhooks .letters li').length";

async fn call(server: &Server, token: &str, method: Method, path: &str, body: Value) {
    let url = format!("{}/api/v1/topics/orders/{path}", server.url);
    let mut request = server.client.request(method, url).json(&body);
    if !token.is_empty() {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.unwrap();
    response.error_for_status().unwrap();
}

/// Creates a webhook whose messages die of two attempts, the second at once.
async fn create(server: &Server, token: &str, name: &str, url: &str) {
    let settings = json!({ "url": url, "schedule_seconds": [0] });
    let path = format!("webhooks/{name}");
    call(server, token, Method::PUT, &path, settings).await;
}

/// Waits until the text of a webhook on the page contains this one.
async fn shows(browser: &Browser, name: &str, text: &str) {
    let item = format!(
        "[...document.querySelectorAll('#webhooks > li')]
            .find((item) => item.querySelector('h4').textContent === '{name}')
            ?.textContent.includes('{text}')"
    );
    browser.wait_for(&item).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn states_attempts_and_dead_letters_show_and_are_acted_on_with_the_keyboard() {
    let receiver = Receiver::start().await;
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[ALLOWED, SECRET_KEY]).await;
    for name in ["500", "gone", "ok"] {
        let url = format!("{}/{name}", receiver.url);
        create(&server, "", name, &url).await;
    }
    let message = json!({ "message": "<i>one</i>" });
    call(&server, "", Method::POST, "messages", message).await;

    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    show(&browser, "orders/webhooks").await;
    browser
        .wait_for("document.querySelectorAll('#webhooks > li').length === 3")
        .await;
    assert_eq!(browser.text("topic-name").await, "orders");
    let url = format!("{}/500", receiver.url);
    for text in [
        &url,
        "1 dead",
        "the last attempt failed",
        "status 500",
        "last failure: ",
    ] {
        shows(&browser, "500", text).await;
    }
    for text in ["active", "0 dead", "last success: "] {
        shows(&browser, "ok", text).await;
    }
    for text in ["disabled", "the receiver responded with 410", "1 waiting"] {
        shows(&browser, "gone", text).await;
    }
    assert_eq!(violations(&browser).await, json!([]));

    // The last attempts, which arrive by themselves while they are shown.
    let attempts = "document.querySelectorAll('#webhooks-attempts-500 li').length";
    browser
        .type_into("[aria-controls=webhooks-attempts-500]", ENTER)
        .await;
    browser.wait_for(&format!("{attempts} === 2")).await;
    let shown = browser.text("webhooks-attempts-500").await;
    assert!(shown.contains("500attempt 2"), "{shown}");

    // The dead letter is read and redriven; it dies again.
    browser
        .type_into("[aria-controls=webhooks-letters-500]", ENTER)
        .await;
    browser.wait_for(&format!("{LETTERS} === 1")).await;
    let letter = browser.text("webhooks-letters-500").await;
    for part in ["<i>one</i>", "attempts: 2", "reason: status 500"] {
        assert!(letter.contains(part), "{letter}");
    }
    assert_eq!(violations(&browser).await, json!([]));
    save(&browser, "webhooks.png").await;
    browser
        .type_into("#webhooks .letters li button", ENTER)
        .await;
    browser
        .wait_for("document.getElementById('webhooks-status').textContent === 'Waiting again: 1.'")
        .await;
    browser.wait_for(&format!("{attempts} === 4")).await;
    browser.wait_for(&format!("{LETTERS} === 1")).await;

    // A disabled webhook is enabled, and the message that waited is delivered.
    browser
        .type_into("[aria-label='Enable: webhook gone']", ENTER)
        .await;
    shows(&browser, "gone", "0 waiting").await;
    shows(&browser, "gone", "active").await;
    assert_eq!(
        browser.text("webhooks-status").await,
        "The webhook gone is enabled."
    );
    assert_eq!(receiver.requests("/gone").len(), 2);

    call(&server, "", Method::DELETE, "webhooks/500", json!({})).await;
    browser
        .wait_for("document.querySelectorAll('#webhooks > li').length === 2")
        .await;
    assert_eq!(loaded_elsewhere(&browser).await, json!([]));
    assert_eq!(browser.console_errors().await, [""; 0]);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_show_in_russian_on_a_small_dark_screen() {
    let receiver = Receiver::start().await;
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[ALLOWED, SECRET_KEY]).await;
    create(&server, "", "gone", &format!("{}/gone", receiver.url)).await;
    let message = json!({ "message": "раз" });
    call(&server, "", Method::POST, "messages", message).await;
    let browser = opened(&server, true, PHONE).await;
    let page = format!("{}/?lang=ru#/orders/webhooks", server.url);
    browser.client.goto(&page).await.unwrap();
    for text in ["отключён", "1 ожидают", "последняя неудача: ", "Включить"]
    {
        shows(&browser, "gone", text).await;
    }
    browser
        .click("[aria-controls=webhooks-attempts-gone]")
        .await;
    shows(&browser, "gone", "попытка 1").await;
    assert_eq!(violations(&browser).await, json!([]));
    save(&browser, "webhooks-ru.png").await;
    assert_eq!(browser.console_errors().await, [""; 0]);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_show_only_with_a_token_that_manages_them() {
    let directory = TempDir::new().unwrap();
    let server = protected_server(&directory).await;
    let all = issue(&directory, "webhooks:manage").await;
    create(&server, &all, "crm", "https://receiver.example/").await;
    let browser = opened(&server, false, DESKTOP).await;
    let enter = async |scope: &str| {
        enter(&browser, &issue(&directory, scope).await).await;
        browser.connected().await;
    };
    asked_for_token(&browser).await;
    enter("messages:read,messages:consume,consumers:manage").await;
    show(&browser, "orders/webhooks").await;
    browser.connected().await;
    let is_hidden = "return document.getElementById('view-webhooks').hidden";
    assert_eq!(browser.eval(is_hidden).await, json!(true));
    enter("messages:read,webhooks:manage").await;
    shows(&browser, "crm", "https://receiver.example/").await;
    assert_eq!(violations(&browser).await, json!([]));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_copied_without_a_clipboard_and_stays_until_it_is() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[ALLOWED, SECRET_KEY]).await;
    let browser = Browser::start("en", false, DESKTOP).await;
    // As where the page is no secure context.
    let source = "Object.defineProperty(navigator, 'clipboard', { value: undefined });
        document.addEventListener('copy', (event) => { window.copied = event.target.value; });
        const real = document.execCommand.bind(document);
        document.execCommand = (command) => !window.refuses && real(command);";
    browser
        .devtools(
            "Page.addScriptToEvaluateOnNewDocument",
            json!({ "source": source }),
        )
        .await;
    let page = format!("{}/?lang=en#/orders/webhooks", server.url);
    browser.client.goto(&page).await.unwrap();
    browser.connected().await;
    browser.type_into("#webhooks-new", ENTER).await;
    browser.type_into("#ask-name", "crm").await;
    browser
        .type_into("#ask-url", "https://receiver.example/")
        .await;
    browser.click("#ask-ok").await;
    browser
        .wait_for("/whsec_/.test(document.getElementById('ask-text').textContent)")
        .await;
    browser.eval("window.refuses = true").await;
    browser.click("#ask-ok").await;
    browser
        .wait_for("/does not let/.test(document.getElementById('ask-error').textContent)")
        .await;
    assert_eq!(
        browser
            .eval("return document.getElementById('ask').open")
            .await,
        json!(true)
    );
    browser.eval("window.refuses = false").await;
    browser.click("#ask-ok").await;
    browser
        .wait_for("!document.getElementById('ask').open")
        .await;
    let shown = browser.text("ask-text").await;
    let copied = browser.eval("return window.copied").await;
    assert!(shown.ends_with(copied.as_str().unwrap()), "{shown}");
    assert!(copied.as_str().unwrap().starts_with("whsec_"), "{copied}");
    assert_eq!(browser.console_errors().await, [""; 0]);
    browser.close().await;
}
