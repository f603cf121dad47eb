//! Forms of other pages, submitted by a browser with scripts off.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::browser::Browser;
use crate::harness::{DESKTOP, PHONE, save, server, violations};
use crate::support::Server;

/// A page with a form, on the disk; `fields` stand before the button.
fn form(directory: &TempDir, server: &Server, encoding: &str, fields: &str) -> String {
    let page = format!(
        "<!doctype html><meta charset=utf-8><script>document.title = 'scripts are on'</script>
        <form method=post enctype={encoding} action='{}/api/v1/topics/contact/messages'>
        <textarea name=message id=message></textarea><input name='Your Name' id=name>
        <input name=_gotcha hidden>{fields}<button id=send>Send</button></form>",
        server.url
    );
    let path = directory.path().join("form.html");
    std::fs::write(&path, page).unwrap();
    format!("file://{}", path.display())
}

/// Fills the form and submits it; returns the text of the page that follows.
async fn submit(browser: &Browser, page: &str, message: &str) -> String {
    browser.client.goto(page).await.unwrap();
    assert_ne!(browser.client.title().await.unwrap(), "scripts are on");
    browser.type_into("#message", message).await;
    browser.type_into("#name", "Zoë").await;
    browser.click("#send").await;
    browser.text_of_next("main").await
}

async fn stored(server: &Server) -> Value {
    let page = server.get_json("/api/v1/topics/contact/messages").await;
    let messages = page["messages"].as_array().unwrap().iter();
    let shown = messages.map(|message| json!([message["message"], message["attributes"]]));
    shown.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_without_scripts_is_stored_and_its_sender_sees_a_page() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    let browser = Browser::start_without_scripts(DESKTOP).await;
    let url_encoded = "application/x-www-form-urlencoded";
    let page = form(&directory, &server, url_encoded, "");
    let shown = submit(&browser, &page, "first line\nsecond <line> & ü").await;
    assert!(shown.contains("Message received"), "{shown}");
    assert!(shown.contains("second <line> & ü"), "{shown}");
    save(&browser, "form-received.png").await;
    let page = form(
        &directory,
        &server,
        "multipart/form-data",
        "<input type=file name=photo>",
    );
    let shown = submit(&browser, &page, "with parts\nof two lines").await;
    assert!(shown.contains("Message received"), "{shown}");
    let name = json!({ "your-name": "Zoë" });
    let expected = json!([
        ["first line\nsecond <line> & ü", name],
        ["with parts\nof two lines", name]
    ]);
    assert_eq!(stored(&server).await, expected);

    let shown = submit(&browser, &page, "   ").await;
    assert!(shown.contains("Validation failed"), "{shown}");
    assert!(
        shown.contains("Length must be between 1 and 1000."),
        "{shown}"
    );
    save(&browser, "form-problem.png").await;
    let next = "<input type=hidden name=_next value='/problems/forbidden'>";
    let page = form(&directory, &server, url_encoded, next);
    submit(&browser, &page, "go on").await;
    let url = browser.client.current_url().await.unwrap();
    assert_eq!(url.as_str(), format!("{}/problems/forbidden", server.url));
    assert_eq!(stored(&server).await.as_array().unwrap().len(), 3);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_a_form_are_accessible_in_both_languages() {
    let directory = TempDir::new().unwrap();
    let server = server(&directory, &[]).await;
    for (language, size, received) in [
        ("en", DESKTOP, "Message received"),
        ("ru", PHONE, "Сообщение получено"),
    ] {
        for dark in [false, true] {
            let browser = Browser::start(language, dark, size).await;
            let page = form(&directory, &server, "multipart/form-data", "");
            for (message, wanted) in [("hello", Some(received)), (" ", None)] {
                browser.client.goto(&page).await.unwrap();
                browser.type_into("#message", message).await;
                browser.click("#send").await;
                let text = browser.text_of_next("main.plain").await;
                assert!(wanted.is_none_or(|wanted| text.contains(wanted)), "{text}");
                assert_eq!(
                    violations(&browser).await,
                    json!([]),
                    "{language} {dark} {message}"
                );
                assert_eq!(
                    browser.console_errors().await.len(),
                    usize::from(wanted.is_none())
                );
            }
            browser.close().await;
        }
    }
}
