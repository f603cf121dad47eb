//! The secrets of webhooks: shown once, stored encrypted, kept through restarts and rotations.

use std::fs;

use posthorn_testkit::eventually;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use tempfile::TempDir;

use crate::receiver::{Received, Receiver};
use crate::support::{PATIENCE, Server};
use crate::tokens::{KEY, PRODUCTION, issue};
use crate::webhooks::{ALLOWED, path};

const NEW_KEY: &str = "fedcba9876543210fedcba9876543210";
const OTHER_KEY: &str = "aaaaaaaabbbbbbbbccccccccdddddddd";

/// Whether `secret` signs the request, by the library of Standard Webhooks.
fn is_signed(request: &Received, secret: &str) -> bool {
    let fields = request.headers.iter();
    let headers: HeaderMap = fields
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect();
    let webhook = Webhook::new(secret).unwrap();
    webhook.verify(request.body.as_bytes(), &headers).is_ok()
}

/// Every file below `directory`.
fn files(directory: &TempDir) -> Vec<(String, Vec<u8>)> {
    let names = fs::read_dir(directory.path().join("data")).unwrap();
    names
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.display().to_string(), fs::read(&path).unwrap())
        })
        .collect()
}

fn contains(bytes: &[u8], part: &str) -> bool {
    bytes
        .windows(part.len())
        .any(|window| window == part.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_shown_once_and_found_nowhere_and_outlives_a_restart() {
    let receiver = Receiver::start().await;
    let directory = TempDir::new().unwrap();
    let environment = [ALLOWED, ("LOG_LEVEL", "debug")];
    let mut server = Server::start(&directory, &environment).await;
    let settings = json!({
        "url": format!("{}/500", receiver.url), "schedule_seconds": [0],
        "headers": {"Authorization": "Bearer hunter2hunter2"},
    });
    let created = server.create_webhook("a", &settings).await;
    let secret = created["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_"));
    assert_eq!(created["headers"], json!({"authorization": "***"}));
    // A change with a secret of one's own does not repeat it.
    let own = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let settings = json!({"url": format!("{}/ok", receiver.url), "secret": own});
    let own_webhook = server.create_webhook("b", &settings).await;
    assert_eq!(own_webhook["secret"], Value::Null);

    server.order("one").await;
    server.webhook_has("a", "dead", json!(1)).await;
    eventually(PATIENCE, async || !receiver.requests("/ok").is_empty()).await;
    let request = &receiver.requests("/500")[0];
    assert!(is_signed(request, &secret) && !is_signed(request, own));
    assert_eq!(request.headers["authorization"], "Bearer hunter2hunter2");
    assert!(is_signed(&receiver.requests("/ok")[0], own));
    let hidden = [secret.as_str(), own].map(|secret| secret.trim_start_matches("whsec_"));
    let hidden = [hidden[0], hidden[1], "hunter2hunter2"];
    let paths = ["", "/attempts", "/dead"].map(|call| format!("{}{call}", path("a")));
    let lists = ["/api/v1/topics/orders/webhooks", "/metrics"].map(ToOwned::to_owned);
    for path in paths.iter().chain(&lists) {
        let text = server.get(path).await.text().await.unwrap();
        for hidden in hidden {
            assert!(!text.contains(hidden), "{path}: {text}");
        }
    }
    server.signal("TERM").await;
    server.ended().await;
    for hidden in hidden {
        assert_eq!(server.logged(hidden), 0);
        for (name, bytes) in files(&directory) {
            assert!(!contains(&bytes, hidden), "{name} has {hidden}");
        }
    }

    // The development key decrypts after a restart.
    let server = Server::start(&directory, &environment).await;
    server.order("two").await;
    eventually(PATIENCE, async || receiver.requests("/500").len() == 4).await;
    assert!(is_signed(&receiver.requests("/500")[3], &secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_secret_signs_beside_the_old_one_until_its_grace_is_over() {
    let receiver = Receiver::start().await;
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[ALLOWED]).await;
    let settings = json!({"url": format!("{}/ok", receiver.url)});
    let created = server.create_webhook("a", &settings).await;
    let mut secrets = vec![created["secret"].as_str().unwrap().to_owned()];
    for (grace, expected) in [(60, [true, true]), (0, [false, true])] {
        let rotate = format!("{}/rotate-secret", path("a"));
        let body = json!({"grace_seconds": grace});
        let rotated = server.request(Method::POST, &rotate, &body).await;
        assert_eq!(rotated.status(), StatusCode::OK);
        let rotated: Value = rotated.json().await.unwrap();
        secrets.push(rotated["secret"].as_str().unwrap().to_owned());
        let (old, new) = (&secrets[secrets.len() - 2], &secrets[secrets.len() - 1]);
        let before = receiver.requests("/ok").len();
        server.order("one").await;
        eventually(PATIENCE, async || receiver.requests("/ok").len() > before).await;
        let request = receiver.requests("/ok").swap_remove(before);
        let signed = [old, new].map(|secret| is_signed(&request, secret));
        assert_eq!(signed, expected, "grace {grace}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_needs_a_key_that_outlives_the_process() {
    let settings = json!({"url": "https://example.com/"});
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[("STORE_URL", "memory:")]).await;
    let refused = server.request(Method::PUT, &path("a"), &settings).await;
    assert_eq!(refused.status(), StatusCode::CONFLICT);
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["code"], "secret-key-required");
    assert!(problem["detail"].as_str().unwrap().contains("SECRET_KEY"));
    drop(server);
    let environment = [("STORE_URL", "memory:"), ("SECRET_KEY", KEY)];
    let server = Server::start(&directory, &environment).await;
    server.create_webhook("a", &settings).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_outlive_a_rotation_of_the_key_in_production() {
    let directory = TempDir::new().unwrap();
    let scope = ["--sub", "ops", "--scope", "webhooks:manage"];
    let start = async |keys: &[(&str, &str)]| {
        Server::start(&directory, &[&PRODUCTION[..], keys].concat()).await
    };
    let authorized = async |server: &Server, key: &str, method: Method, body: &Value| {
        let token = issue(&directory, key, &scope).await;
        let url = format!("{}{}", server.url, path("a"));
        let request = server.client.request(method, url).json(body);
        request.bearer_auth(token).send().await.unwrap()
    };
    let mut server = start(&[]).await;
    let settings = json!({"url": "http://example.com/", "headers": {"X-A": "1"}});
    let refused = authorized(&server, KEY, Method::PUT, &settings).await;
    assert_eq!(
        refused.status(),
        StatusCode::BAD_REQUEST,
        "production needs https"
    );
    let settings = json!({"url": "https://example.com/", "headers": {"X-A": "1"}});
    let created = authorized(&server, KEY, Method::PUT, &settings).await;
    assert_eq!(created.status(), StatusCode::CREATED);
    server.signal("TERM").await;
    server.ended().await;

    let both = [("SECRET_KEY", NEW_KEY), ("SECRET_KEY_PREVIOUS", KEY)];
    let mut server = start(&both).await;
    assert_eq!(server.logged("encrypted again"), 1);
    server.signal("TERM").await;
    server.ended().await;

    // The names of the headers are only known to one that can decrypt them.
    let mut server = start(&[("SECRET_KEY", NEW_KEY)]).await;
    let got = authorized(&server, NEW_KEY, Method::GET, &Value::Null).await;
    let webhook: Value = got.json().await.unwrap();
    assert_eq!(webhook["headers"], json!({"x-a": "***"}));
    server.signal("TERM").await;
    server.ended().await;

    // With neither key the webhook says so, until it gets another secret.
    let server = start(&[("SECRET_KEY", OTHER_KEY)]).await;
    let state = async || {
        let got = authorized(&server, OTHER_KEY, Method::GET, &Value::Null).await;
        got.json::<Value>().await.unwrap()["state"].clone()
    };
    assert_eq!(state().await, "failing");
    let refused = authorized(&server, OTHER_KEY, Method::PUT, &settings).await;
    assert_eq!(refused.status(), StatusCode::CONFLICT);
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["code"], "secret-key-required");
    let mut settings = settings;
    settings["secret"] = json!("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let replaced = authorized(&server, OTHER_KEY, Method::PUT, &settings).await;
    assert_eq!(replaced.status(), StatusCode::OK);
    assert_eq!(state().await, "active");
}
