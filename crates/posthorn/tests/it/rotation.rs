//! Rotating the key under load: no client with a valid token gets a 401.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use posthorn_testkit::{RedisServer, eventually, free_port};
use reqwest::Method;
use tempfile::TempDir;

use crate::support::{Server, client};
use crate::tokens::{KEY, call, issue};

const NEW_KEY: &str = "fedcba9876543210fedcba9876543210";

/// The responses that the clients got.
#[derive(Debug, Default)]
struct Seen {
    fine: AtomicUsize,
    refused: AtomicUsize,
    stop: AtomicBool,
}

/// Requests a page again and again; an unreachable server is tried again, too.
async fn read(url: String, token: String, seen: Arc<Seen>) {
    let client = client();
    while !seen.stop.load(Ordering::Acquire) {
        let page = client.get(format!("{url}/api/v1/topics/inbox/messages"));
        match page
            .bearer_auth(&token)
            .send()
            .await
            .map(|answer| answer.status().as_u16())
        {
            Ok(200) => seen.fine.fetch_add(1, Ordering::AcqRel),
            Ok(401 | 403) => seen.refused.fetch_add(1, Ordering::AcqRel),
            _ => 0,
        };
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn more(seen: &Seen) {
    let from = seen.fine.load(Ordering::Acquire);
    eventually(Duration::from_secs(20), async || {
        seen.fine.load(Ordering::Acquire) >= from + 100
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_rotated_under_load_without_a_rejected_request() {
    let redis = RedisServer::start().await;
    let (directory, url) = (TempDir::new().unwrap(), redis.url());
    let ports = [free_port(), free_port()].map(|port| port.to_string());
    let start = async |port: &str, keys: &[(&str, &str)]| {
        let settings = [
            ("ENVIRONMENT", "production"),
            ("STORE_URL", url.as_str()),
            ("DRAIN_DELAY", "0s"),
            ("RATE_LIMIT_ENABLED", "false"),
            ("PORT", port),
        ];
        Server::start(&directory, &[&settings[..], keys].concat()).await
    };
    let mut pods = Vec::new();
    for port in &ports {
        pods.push(start(port, &[("SECRET_KEY", KEY)]).await);
    }
    let arguments = ["--sub", "r", "--scope", "messages:read"];
    let old = issue(&directory, KEY, &arguments).await;
    let seen = Arc::new(Seen::default());
    let mut clients = Vec::new();
    for pod in &pods {
        for _ in 0..4 {
            let task = read(pod.url.clone(), old.clone(), Arc::clone(&seen));
            clients.push(tokio::spawn(task));
        }
    }
    more(&seen).await;
    let rotated = [("SECRET_KEY", NEW_KEY), ("SECRET_KEY_PREVIOUS", KEY)];
    for (pod, port) in pods.iter_mut().zip(&ports) {
        pod.signal("TERM").await;
        pod.ended().await;
        *pod = start(port, &rotated).await;
        more(&seen).await;
    }
    // All servers accept the new key, so that it may sign from now on.
    let new = issue(&directory, NEW_KEY, &arguments).await;
    for pod in &pods {
        let task = read(pod.url.clone(), new.clone(), Arc::clone(&seen));
        clients.push(tokio::spawn(task));
    }
    more(&seen).await;
    seen.stop.store(true, Ordering::Release);
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(seen.refused.load(Ordering::Acquire), 0, "{seen:?}");

    // Without the old key its tokens are invalid.
    pods[0].signal("TERM").await;
    pods[0].ended().await;
    let last = start(&ports[0], &[("SECRET_KEY", NEW_KEY)]).await;
    let path = "/api/v1/topics/inbox/messages";
    assert_eq!(call(&last, Method::GET, path, &old).await.status(), 401);
    assert_eq!(call(&last, Method::GET, path, &new).await.status(), 200);
}
