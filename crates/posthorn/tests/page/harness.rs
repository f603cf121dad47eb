//! Servers and browsers for the tests of the page, and the checks that every state of it has to pass.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::browser::Browser;
use crate::support::{Server, run};

pub(crate) const DESKTOP: (u32, u32) = (1280, 1130);
pub(crate) const PHONE: (u32, u32) = (500, 1100);
const KEY: &str = "0123456789abcdef0123456789abcdef";

pub(crate) async fn opened(server: &Server, dark: bool, size: (u32, u32)) -> Browser {
    let browser = Browser::start("en", dark, size).await;
    browser.client.goto(&server.url).await.unwrap();
    browser
}

pub(crate) async fn server(directory: &TempDir, environment: &[(&str, &str)]) -> Server {
    let store = [("STORE_URL", "memory:")];
    Server::start(directory, &[&store, environment].concat()).await
}

/// Shows a topic, or one of its views, or `~service`.
pub(crate) async fn show(browser: &Browser, place: &str) {
    let script = format!("location.hash = '#/{place}'");
    browser.eval(&script).await;
}

/// Opens the panel for sending by the button `opener`.
pub(crate) async fn composing(browser: &Browser, opener: &str) {
    browser.click(opener).await;
    browser
        .wait_for("!composer.hidden && document.activeElement === text")
        .await;
}

/// Sends a request with a JSON body, and returns the response.
pub(crate) async fn call(server: &Server, method: Method, path: &str, body: Value) -> Value {
    let url = format!("{}{path}", server.url);
    let response = server.client.request(method, url).json(&body).send().await;
    let response = response.unwrap().error_for_status().unwrap();
    response.json().await.unwrap()
}

/// Cuts the browser off from the network, or connects it again. The network domain has to be enabled before.
pub(crate) async fn offline(browser: &Browser, is_offline: bool) {
    let conditions = json!({
        "offline": is_offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1,
    });
    browser
        .devtools("Network.emulateNetworkConditions", conditions)
        .await;
}

/// Saves a screenshot for CI.
pub(crate) async fn save(browser: &Browser, name: &str) {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    std::fs::create_dir_all(&directory).unwrap();
    let image = browser.client.screenshot().await.unwrap();
    std::fs::write(directory.join(name), image).unwrap();
}

/// The violations that axe finds.
pub(crate) async fn violations(browser: &Browser) -> Value {
    // Half a megabyte, which stays in the page.
    if browser.eval("return typeof axe").await == "undefined" {
        browser.eval(include_str!("axe.min.js")).await;
    }
    let audit = "const done = arguments[0]; axe.run().then((found) => done(found.violations.map(
        (v) => [v.id, v.nodes.map((n) => n.html + n.failureSummary)])), (error) => done(String(error)))";
    browser
        .client
        .execute_async(audit, Vec::new())
        .await
        .unwrap()
}

/// The resources that were not loaded from the server.
pub(crate) async fn loaded_elsewhere(browser: &Browser) -> Value {
    let script = "return performance.getEntriesByType('resource').map((one) => one.name)
        .filter((name) => !name.startsWith(location.origin) && !name.startsWith('data:'))";
    browser.eval(script).await
}

/// A server in production, where access needs a token.
pub(crate) async fn protected_server(directory: &TempDir) -> Server {
    let production = [
        ("ENVIRONMENT", "production"),
        ("SECRET_KEY", KEY),
        ("DRAIN_DELAY", "0s"),
    ];
    server(directory, &production).await
}

/// A token for all topics with these scopes.
pub(crate) async fn issue(directory: &TempDir, scope: &str) -> String {
    issue_for(directory, "reader", scope, "*").await
}

/// A token of `subject` with these scopes, for the topics that a pattern matches.
pub(crate) async fn issue_for(
    directory: &TempDir,
    subject: &str,
    scope: &str,
    topics: &str,
) -> String {
    let arguments = ["token", "issue", "--sub", subject, "--scope", scope];
    let arguments = [&arguments[..], &["--topics", topics, "--ttl", "1h"]].concat();
    let issued = run(directory.path(), &arguments, &[("SECRET_KEY", KEY)]);
    let (status, stdout, stderr) = issued.await;
    assert!(status.success(), "{stderr}");
    stdout.trim().to_owned()
}

/// Waits until the page asks for a token.
pub(crate) async fn asked_for_token(browser: &Browser) {
    browser
        .wait_for("document.getElementById('token-dialog').open")
        .await;
}

/// Enters a token in the dialog, which is opened if it is not.
pub(crate) async fn enter(browser: &Browser, token: &str) {
    browser
        .eval("document.getElementById('token-dialog').open || document.getElementById('token-open').click()")
        .await;
    browser.type_into("#token", token).await;
    browser.click("#token-button").await;
}

/// Revokes the token that was entered.
pub(crate) async fn revoke_entered(browser: &Browser, server: &Server, directory: &TempDir) {
    let id = "const [, claims] = sessionStorage.getItem('token').split('.');
        return JSON.parse(atob(claims.replace(/-/g, '+').replace(/_/g, '/'))).jti";
    let id = browser.eval(id).await;
    let url = format!("{}/api/v1/tokens/{}", server.url, id.as_str().unwrap());
    let revoking = issue(directory, "tokens:revoke").await;
    let revoked = server.client.delete(url).bearer_auth(revoking).send().await;
    assert_eq!(revoked.unwrap().status(), 204);
}
