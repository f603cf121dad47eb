//! The consumers on the page, in a real browser.

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::browser::Browser;
use crate::harness::{
    DESKTOP, asked_for_token, enter, issue, loaded_elsewhere, opened, protected_server, save,
    server, show, violations,
};
use crate::support::Server;

const ENTER: &str = "\u{e007}";
/// Makes the dead letters of each page damaged ones.
const DAMAGED: &str = "const { fetch } = window;
    window.fetch = async (url, options) => {
        const answer = await fetch(url, options);
        if (!String(url).includes('/dead?')) return answer;
        const { messages, next } = await answer.json();
        return Response.json({ messages: [], unreadable: messages.map(({ id }) => id), next });
    };";

const LETTERS: &str = "document.querySelectorAll('.letters li').length";

async fn call(server: &Server, token: &str, method: Method, path: &str, body: Value) -> Value {
    let request = server
        .client
        .request(method, format!("{}{path}", server.url));
    let request = if token.is_empty() {
        request
    } else {
        request.bearer_auth(token)
    };
    let response = request.json(&body).send().await.unwrap();
    response.error_for_status().unwrap().json().await.unwrap()
}

async fn send(server: &Server, topic: &str, text: &str) {
    let path = format!("/api/v1/topics/{topic}/messages");
    call(server, "", Method::POST, &path, json!({"message": text})).await;
}

/// Rejects the next `count` messages of a consumer, which die of it.
async fn reject(server: &Server, token: &str, consumer: &str, count: usize, reason: &str) {
    let pull = json!({"max": count});
    let pulled = call(
        server,
        token,
        Method::POST,
        &format!("{consumer}/pull"),
        pull,
    )
    .await;
    let messages = pulled["messages"].as_array().unwrap();
    let leases: Vec<_> = messages.iter().map(|message| &message["lease"]).collect();
    let nack = json!({"leases": leases, "reason": reason});
    let settled = call(
        server,
        token,
        Method::POST,
        &format!("{consumer}/nack"),
        nack,
    )
    .await;
    assert_eq!(settled["settled"], count);
}

async fn counts(browser: &Browser, name: &str) -> String {
    let script = format!(
        "return [...document.querySelectorAll('#consumers > li')]
            .find((item) => item.querySelector('h4').textContent === '{name}')
            ?.querySelector('.counts').textContent ?? ''"
    );
    browser.eval(&script).await.as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_read_redriven_and_deleted_with_the_keyboard() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    let consumer = "/api/v1/topics/jobs/consumers/mailer";
    for name in ["mailer", "printer"] {
        let path = format!("/api/v1/topics/jobs/consumers/{name}");
        call(&server, "", Method::PUT, &path, json!({"max_attempts": 1})).await;
    }
    for text in ["<i>one</i>", "two", "three", "four", "five"] {
        send(&server, "jobs", text).await;
    }
    let reason = "<b>no</b> route to the mail server";
    reject(&server, "", consumer, 4, reason).await;

    let browser = opened(&server, false, DESKTOP).await;
    browser.connected().await;
    assert_eq!(
        browser
            .eval("return document.getElementById('consumers-count').hidden")
            .await,
        json!(true)
    );
    browser.type_into("#open-name", "jobs").await;
    browser.type_into("#open-name", ENTER).await;
    browser
        .wait_for("document.getElementById('consumers-count').textContent === '2'")
        .await;
    browser.type_into("#view-consumers", ENTER).await;
    browser
        .wait_for("document.querySelectorAll('#consumers > li').length === 2")
        .await;
    let shown = counts(&browser, "mailer").await;
    for count in ["1 waiting", "0 in flight", "4 dead", "0 missed", " oldest"] {
        assert!(shown.contains(count), "{shown}");
    }
    assert!(counts(&browser, "printer").await.contains("5 waiting"));
    assert_eq!(violations(&browser).await, json!([]));

    browser.type_into("#consumers button", ENTER).await;
    browser.wait_for(&format!("{LETTERS} === 4")).await;
    let letter = "return document.querySelector('.letters li').textContent";
    let text = browser.eval(letter).await;
    for part in ["<i>one</i>", "attempts: 1", reason] {
        assert!(text.as_str().unwrap().contains(part), "{text}");
    }
    assert_eq!(violations(&browser).await, json!([]));
    save(&browser, "consumers.png").await;

    // One is redriven: the focus goes to the next one.
    browser.type_into(".letters li button", ENTER).await;
    browser.wait_for(&format!("{LETTERS} === 3")).await;
    let focused =
        "document.activeElement.closest('.letters li') === document.querySelector('.letters li')";
    browser.wait_for(focused).await;
    assert_eq!(server.get_json(consumer).await["waiting"], 2);
    // One is deleted, after a question.
    browser
        .type_into(".letters li button:last-child", ENTER)
        .await;
    browser
        .wait_for("document.getElementById('ask').open")
        .await;
    assert_eq!(browser.text("ask-text").await, "two");
    assert_eq!(violations(&browser).await, json!([]));
    browser.type_into("#ask-cancel", ENTER).await;
    browser
        .type_into(".letters li button:last-child", ENTER)
        .await;
    browser.type_into("#ask-ok", ENTER).await;
    browser.wait_for(&format!("{LETTERS} === 2")).await;
    assert_eq!(server.get_json(consumer).await["dead"], 2);
    // The others are redriven together.
    browser.type_into(".letters > button", ENTER).await;
    browser.wait_for(&format!("{LETTERS} === 0")).await;
    let state = server.get_json(consumer).await;
    assert_eq!((&state["waiting"], &state["dead"]), (&json!(4), &json!(0)));
    assert_eq!(browser.text("consumers-status").await, "Waiting again: 2.");

    // New counts and the end of a consumer arrive by themselves.
    reject(&server, "", consumer, 1, "again").await;
    browser
        .wait_for("/1 dead/.test(document.getElementById('consumers').textContent)")
        .await;
    browser.wait_for(&format!("{LETTERS} === 1")).await;
    // What cannot be read can only be deleted.
    browser.eval(DAMAGED).await;
    for _ in 0..2 {
        browser.type_into("#consumers button", ENTER).await;
    }
    browser
        .wait_for("/is damaged/.test(document.querySelector('.letters li').textContent)")
        .await;
    assert_eq!(violations(&browser).await, json!([]));
    browser.type_into(".letters li button", ENTER).await;
    browser.type_into("#ask-ok", ENTER).await;
    browser.wait_for(&format!("{LETTERS} === 0")).await;
    let deleted = server
        .client
        .delete(format!("{}{consumer}", server.url))
        .send();
    assert_eq!(deleted.await.unwrap().status(), 204);
    browser
        .wait_for("document.querySelectorAll('#consumers > li').length === 1")
        .await;
    assert_eq!(loaded_elsewhere(&browser).await, json!([]));
    assert_eq!(browser.console_errors().await, [""; 0]);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_dead_letters_than_one_call_takes_are_redriven_together() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    let consumer = "/api/v1/topics/inbox/consumers/mailer";
    call(
        &server,
        "",
        Method::PUT,
        consumer,
        json!({"max_attempts": 1}),
    )
    .await;
    for number in 0..205 {
        send(&server, "inbox", &format!("message {number}")).await;
    }
    for count in [200, 5] {
        reject(&server, "", consumer, count, "no route").await;
    }
    let browser = opened(&server, false, DESKTOP).await;
    browser
        .client
        .goto(&format!("{}/?lang=ru#/inbox/consumers", server.url))
        .await
        .unwrap();
    browser
        .wait_for("/205 не доставлены/.test(document.getElementById('consumers').textContent)")
        .await;
    browser.click("#consumers button").await;
    browser.wait_for(&format!("{LETTERS} === 50")).await;
    browser.click(".letters > button:last-child").await;
    browser.wait_for(&format!("{LETTERS} === 100")).await;
    assert_eq!(violations(&browser).await, json!([]));
    browser.click(".letters > button").await;
    browser
        .wait_for("document.getElementById('consumers-status').textContent === 'Возвращено в очередь: 205.'")
        .await;
    let state = server.get_json(consumer).await;
    assert_eq!(
        (&state["waiting"], &state["dead"]),
        (&json!(205), &json!(0))
    );
    assert_eq!(browser.console_errors().await, [""; 0]);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_show_as_far_as_the_token_permits() {
    let directory = TempDir::new().unwrap();
    let server = protected_server(&directory).await;
    let consumer = "/api/v1/topics/inbox/consumers/mailer";
    let all = issue(
        &directory,
        "messages:read,messages:consume,consumers:manage",
    )
    .await;
    call(
        &server,
        &all,
        Method::PUT,
        consumer,
        json!({"max_attempts": 1}),
    )
    .await;
    send(&server, "inbox", "text").await;
    reject(&server, &all, consumer, 1, "no route").await;
    let browser = opened(&server, false, DESKTOP).await;
    let enter = async |scope: &str| {
        enter(&browser, &issue(&directory, scope).await).await;
        browser.connected().await;
    };
    asked_for_token(&browser).await;
    let is_hidden = "return document.getElementById('view-consumers').hidden";
    enter("messages:read").await;
    assert_eq!(browser.eval(is_hidden).await, json!(true));
    enter("messages:read,messages:consume").await;
    show(&browser, "inbox/consumers").await;
    browser
        .wait_for("/1 dead/.test(document.getElementById('consumers').textContent)")
        .await;
    let offered = "return document.querySelectorAll('#consumers > li > .tools > button:not([hidden])').length";
    assert_eq!(browser.eval(offered).await, json!(0));
    enter("messages:read,messages:consume,consumers:manage").await;
    browser
        .wait_for(
            "document.querySelectorAll('#consumers > li > .tools > button:not([hidden])').length === 2",
        )
        .await;
    browser.click("#consumers button").await;
    browser.wait_for(&format!("{LETTERS} === 1")).await;
    assert_eq!(violations(&browser).await, json!([]));
    browser.close().await;
}
