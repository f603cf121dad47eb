//! Kills under concurrent writers: each acknowledged message is stored once, in order.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use posthorn_testkit::{RedisServer, eventually};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::support::{PATIENCE, Server};

const WRITERS: usize = 6;
/// The pause of a writer after each message: all that it writes is read back, and any of the others writes meanwhile.
const PAUSE: Duration = Duration::from_millis(5);

/// The number of kills: 20, or `POSTHORN_KILL_ROUNDS`.
pub(crate) fn rounds() -> usize {
    std::env::var("POSTHORN_KILL_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(20)
}

/// Whether messages have idempotency keys.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// Each has one: its writer retries it until it is acknowledged.
    Each,
    /// None has one: its writer sends it once.
    None,
}

/// Writers of many messages at once.
struct Writers {
    url: watch::Sender<String>,
    stopping: Arc<AtomicBool>,
    tasks: JoinSet<Vec<(String, String)>>,
}

impl Writers {
    /// Writes to the servers at `url`, which have the name `pod`.
    fn start(url: &str, keys: Keys, pod: &'static str) -> Self {
        let (url, receiver) = watch::channel(url.to_owned());
        let stopping = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for writer in 0..WRITERS {
            let stopping = Arc::clone(&stopping);
            tasks.spawn(write(writer, receiver.clone(), stopping, keys, pod));
        }
        Self {
            url,
            stopping,
            tasks,
        }
    }

    /// The acknowledged messages of each writer in its order, as text and id.
    async fn stop(mut self) -> Vec<Vec<(String, String)>> {
        self.stopping.store(true, Ordering::Relaxed);
        let mut acknowledged = Vec::new();
        while let Some(written) = self.tasks.join_next().await {
            acknowledged.push(written.unwrap());
        }
        acknowledged
    }
}

async fn write(
    writer: usize,
    url: watch::Receiver<String>,
    stopping: Arc<AtomicBool>,
    keys: Keys,
    pod: &str,
) -> Vec<(String, String)> {
    let client = Client::builder()
        .timeout(Duration::from_secs(5))
        .build()
        .unwrap();
    let mut acknowledged = Vec::new();
    let mut number = 0;
    // A writer that no server has served between two kills gets its turn with the last one.
    let mut patience = PATIENCE;
    let retry = Duration::from_millis(5);
    while !stopping.load(Ordering::Relaxed) || acknowledged.is_empty() && !patience.is_zero() {
        let text = format!("{writer}-{number}");
        let target = format!("{}/api/v1/message", url.borrow().as_str());
        // The port of a killed server may be that of another test's server now.
        let receipt = send(&client, &target, &text, keys).await;
        if let Some(receipt) = receipt.filter(|receipt| receipt["pod"] == pod) {
            acknowledged.push((text, receipt["id"].as_str().unwrap().to_owned()));
            number += 1;
            tokio::time::sleep(PAUSE).await;
        } else {
            // Without a key a retry could store it twice.
            number += usize::from(keys == Keys::None);
            tokio::time::sleep(retry).await;
            patience = patience.saturating_sub(retry);
        }
    }
    acknowledged
}

/// Sends a message once; returns its receipt if there is one.
async fn send(client: &Client, target: &str, text: &str, keys: Keys) -> Option<Value> {
    let mut request = client.post(target).json(&json!({ "message": text }));
    if keys == Keys::Each {
        request = request.header("Idempotency-Key", text);
    }
    let response = request.send().await.ok()?;
    match response.status() {
        StatusCode::CREATED => response.json::<Value>().await.ok(),
        status if status.is_server_error() => None,
        status => panic!("{text}: {status}"),
    }
}

/// Every acknowledged message is stored once, under the acknowledged id, in each writer's order.
async fn check_stored(server: &Server, acknowledged: &[Vec<(String, String)>]) {
    let stored = server.all_texts("inbox").await;
    let mut places = HashMap::new();
    for (place, text) in stored.iter().enumerate() {
        assert_eq!(
            places.insert(text.as_str(), place),
            None,
            "{text} is stored twice"
        );
    }
    for written in acknowledged {
        assert!(!written.is_empty(), "every writer got through");
        let order: Vec<_> = written
            .iter()
            .map(|(text, _)| {
                *places
                    .get(text.as_str())
                    .unwrap_or_else(|| panic!("{text} is lost"))
            })
            .collect();
        assert!(order.is_sorted(), "a writer's messages are out of order");
        assert!(
            written.is_sorted_by_key(|(_, id)| id),
            "ids do not sort in store order"
        );
        let (text, id) = written.last().unwrap();
        let message = server
            .get_json(&format!("/api/v1/topics/inbox/messages/{id}"))
            .await;
        assert_eq!(message["message"].as_str(), Some(text.as_str()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_message_is_lost_when_the_embedded_store_is_killed() {
    kill_the_embedded_store(Keys::Each).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_without_a_key_is_lost_when_the_embedded_store_is_killed() {
    kill_the_embedded_store(Keys::None).await;
}

async fn kill_the_embedded_store(keys: Keys) {
    let directory = TempDir::new().unwrap();
    let pod = match keys {
        Keys::Each => "killed-with-keys",
        Keys::None => "killed-without-keys",
    };
    let environment = [("HOSTNAME", pod)];
    let mut server = Server::start(&directory, &environment).await;
    let writers = Writers::start(&server.url, keys, pod);
    for round in 0..rounds() {
        tokio::time::sleep(Duration::from_millis(
            40 + 13 * u64::try_from(round % 7).unwrap(),
        ))
        .await;
        server.signal("KILL").await;
        server.ended().await;
        server = Server::start(&directory, &environment).await;
        writers.url.send_replace(server.url.clone());
    }
    check_stored(&server, &writers.stop().await).await;
}

/// The server ends if a transaction uses the index meanwhile, which SQLite has mapped, and restores it otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_message_is_lost_when_the_index_of_the_log_is_truncated_during_writes() {
    let directory = TempDir::new().unwrap();
    let index = directory.path().join("data/posthorn.db-shm");
    let pod = "killed-by-its-index";
    let environment = [("HOSTNAME", pod)];
    let mut server = Server::start(&directory, &environment).await;
    let writers = Writers::start(&server.url, Keys::Each, pod);
    let mut restored = 0;
    for _ in 0..50 {
        let file = std::fs::OpenOptions::new().write(true).open(&index);
        file.unwrap().set_len(0).unwrap();
        let deadline = Instant::now() + PATIENCE;
        while !server.has_ended() && server.logged("the index of the log was truncated") == restored
        {
            assert!(Instant::now() < deadline, "it noticed nothing");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        restored = server.logged("the index of the log was truncated");
        if server.has_ended() {
            server = Server::start(&directory, &environment).await;
            writers.url.send_replace(server.url.clone());
            restored = 0;
        }
    }
    check_stored(&server, &writers.stop().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_message_is_lost_when_a_durable_redis_and_the_server_are_killed() {
    let mut redis = RedisServer::start_durable().await;
    let directory = TempDir::new().unwrap();
    let url = redis.url();
    let pod = "killed-with-redis";
    let environment = [
        ("STORE_URL", url.as_str()),
        ("STORE_DURABILITY", "synced"),
        ("HOSTNAME", pod),
    ];
    let mut server = Server::start(&directory, &environment).await;
    let writers = Writers::start(&server.url, Keys::Each, pod);
    for round in 0..rounds() {
        tokio::time::sleep(Duration::from_millis(
            40 + 13 * u64::try_from(round % 7).unwrap(),
        ))
        .await;
        // Both at once, and each alone: the other has to reconnect.
        if round % 3 != 1 {
            server.signal("KILL").await;
            server.ended().await;
        }
        if round % 3 != 2 {
            redis.stop();
            redis.start_again().await;
        }
        if round % 3 != 1 {
            server = Server::start(&directory, &environment).await;
            writers.url.send_replace(server.url.clone());
        }
    }
    eventually(PATIENCE, async || {
        server.post("ready again").await.status().is_success()
    })
    .await;
    check_stored(&server, &writers.stop().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_redis_store_is_503_and_other_routes_work() {
    let mut redis = RedisServer::start_durable().await;
    let directory = TempDir::new().unwrap();
    let url = redis.url();
    let server = Server::start(&directory, &[("STORE_URL", url.as_str())]).await;
    assert_eq!(server.post("before").await.status(), StatusCode::CREATED);
    redis.stop();
    for path in ["/api/v1/topics/inbox/messages", "/api/v1/topics"] {
        let response = server.get(path).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        let wait: u64 = response.headers()["retry-after"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!(wait >= 1);
    }
    let response = server.post("lost").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["code"], "store-unavailable");
    assert!(!problem.to_string().contains("redis://"), "{problem}");
    assert_eq!(server.get("/api/v1/info").await.status(), StatusCode::OK);
    assert_eq!(server.get("/api/v1/ping").await.status(), StatusCode::OK);
    assert_eq!(server.get("/health/live").await.status(), StatusCode::OK);
    // A result may be a tenth of a second old.
    eventually(PATIENCE, async || {
        server.get("/health/ready").await.status() == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    redis.start_again().await;
    eventually(PATIENCE, async || {
        server.post("after").await.status().is_success()
    })
    .await;
    let texts = server.all_texts("inbox").await;
    assert_eq!(texts.first().map(String::as_str), Some("before"));
    assert!(texts.iter().any(|text| text == "after"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_sent_to_two_processes_at_once_is_one_message_and_one_receipt() {
    let redis = RedisServer::start().await;
    let directory = TempDir::new().unwrap();
    let url = redis.url();
    let one = Server::start(
        &directory,
        &[("STORE_URL", url.as_str()), ("HOSTNAME", "one")],
    )
    .await;
    let two = Server::start(
        &directory,
        &[("STORE_URL", url.as_str()), ("HOSTNAME", "two")],
    )
    .await;
    let send = async |server: &Server, key: &str| {
        let response = server
            .client
            .post(format!("{}/api/v1/message", server.url))
            .header("Idempotency-Key", key)
            .json(&json!({ "message": key }))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        let replayed = response.headers().contains_key("idempotency-replayed");
        (replayed, response.json::<Value>().await.unwrap())
    };
    for round in 0..1000 {
        let key = format!("key-{round}");
        let ((first_replayed, first), (second_replayed, second)) =
            tokio::join!(send(&one, &key), send(&two, &key));
        assert_eq!(first, second, "one receipt");
        assert!(first_replayed != second_replayed, "one of them stored it");
    }
    assert_eq!(one.all_texts("inbox").await.len(), 1000);
}
