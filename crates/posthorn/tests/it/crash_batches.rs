//! Kills at random moments while batches are written: each is stored as a whole or not at all, and its
//! key returns its receipts.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use posthorn_testkit::{RedisServer, eventually};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::crash::rounds;
use crate::support::{PATIENCE, Server, client};

const WRITERS: usize = 4;
/// The messages of a batch: enough for a kill to fall between two of them.
const MESSAGES: usize = 30;
/// The pause of a writer after each batch: all that it writes is read back, and any of the others writes meanwhile.
const PAUSE: Duration = Duration::from_millis(10);
/// The time after which no more kills follow.
const TIME: Duration = Duration::from_secs(30);

/// An acknowledged batch: its name and its ids.
type Batch = (String, Vec<String>);

/// Writers that send each batch once more after an error, until it is acknowledged.
struct Writers {
    url: watch::Sender<String>,
    progress: Arc<Progress>,
    tasks: JoinSet<Vec<Batch>>,
}

/// What the writers and the test tell each other.
#[derive(Default)]
struct Progress {
    stopping: AtomicBool,
    /// The number of acknowledged batches.
    acknowledged: AtomicUsize,
}

impl Writers {
    /// Writes to the servers at `url`, which have the name `pod`.
    fn start(url: &str, pod: &'static str) -> Self {
        let (url, receiver) = watch::channel(url.to_owned());
        let progress = Arc::<Progress>::default();
        let mut tasks = JoinSet::new();
        for writer in 0..WRITERS {
            let progress = Arc::clone(&progress);
            tasks.spawn(write(writer, receiver.clone(), progress, pod));
        }
        Self {
            url,
            progress,
            tasks,
        }
    }

    /// Waits until a batch is acknowledged, so that no kill comes before the first write, and then for a random
    /// moment within the next few batches.
    async fn random_moment(&self) {
        let acknowledged = || self.progress.acknowledged.load(Ordering::Relaxed);
        let before = acknowledged();
        eventually(PATIENCE, async || acknowledged() > before).await;
        tokio::time::sleep(Duration::from_micros(rand::random_range(0..60_000))).await;
    }

    async fn stop(self) -> Vec<Batch> {
        self.progress.stopping.store(true, Ordering::Relaxed);
        self.tasks.join_all().await.concat()
    }
}

async fn write(
    writer: usize,
    url: watch::Receiver<String>,
    progress: Arc<Progress>,
    pod: &str,
) -> Vec<Batch> {
    let client = client();
    let mut acknowledged = Vec::new();
    let mut number = 0;
    while !progress.stopping.load(Ordering::Relaxed) {
        let name = format!("{writer}-{number}");
        // Every third batch has no key: it may be stored more than once, but never a part of it.
        let key = (number % 3 != 2).then(|| name.clone());
        let ids = loop {
            let target = url.borrow().clone();
            match send(&client, &target, &name, key.as_deref(), pod).await {
                Some(ids) => break Some(ids),
                None if key.is_none() => break None,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        if let Some(ids) = ids {
            acknowledged.push((name, ids));
            progress.acknowledged.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(PAUSE).await;
        }
        number += 1;
    }
    acknowledged
}

/// Sends a batch; returns its ids once a server of the name `pod` has acknowledged it. The port of a killed server may
/// be that of another test's server now.
async fn send(
    client: &Client,
    url: &str,
    name: &str,
    key: Option<&str>,
    pod: &str,
) -> Option<Vec<String>> {
    let messages = (0..MESSAGES).map(|number| json!({ "message": format!("{name}-{number}") }));
    let messages: Vec<_> = messages.collect();
    let mut request = client
        .post(format!("{url}/api/v1/topics/t/messages/batch"))
        .timeout(Duration::from_secs(5))
        .json(&messages);
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    let response = request.send().await.ok()?;
    if response.status().is_server_error() {
        return None;
    }
    assert_eq!(response.status(), StatusCode::CREATED, "{name}");
    let body: Value = response.json().await.ok()?;
    let receipts = body["receipts"].as_array().unwrap();
    let id = |receipt: &Value| receipt["id"].as_str().unwrap().to_owned();
    (receipts[0]["pod"] == pod).then(|| receipts.iter().map(id).collect())
}

/// Every batch is whole or absent, and the acknowledged ones are there with their ids.
async fn check(server: &Server, acknowledged: Vec<Batch>, pod: &str) {
    assert!(!acknowledged.is_empty());
    let stored = server.all_messages("t").await;
    let mut batches: HashMap<String, Vec<Vec<String>>> = HashMap::new();
    for chunk in stored.chunks(MESSAGES) {
        let (_, text) = &chunk[0];
        let name = text.rsplit_once('-').unwrap().0.to_owned();
        for (number, (_, text)) in chunk.iter().enumerate() {
            assert_eq!(
                *text,
                format!("{name}-{number}"),
                "a part of a batch is stored"
            );
        }
        assert_eq!(chunk.len(), MESSAGES, "{name}");
        let ids = chunk.iter().map(|(id, _)| id.clone());
        batches.entry(name).or_default().push(ids.collect());
    }
    for (name, ids) in &acknowledged {
        let number: usize = name.rsplit_once('-').unwrap().1.parse().unwrap();
        let found = &batches[name];
        assert!(found.contains(ids), "{name} has other ids");
        assert!(
            number % 3 == 2 || found.len() == 1,
            "{name} is stored twice"
        );
    }
    // The key of an acknowledged batch replays its receipts.
    for (name, ids) in acknowledged.iter().rev().take(50) {
        let number: usize = name.rsplit_once('-').unwrap().1.parse().unwrap();
        if number % 3 != 2 {
            let again = send(&server.client, &server.url, name, Some(name), pod).await;
            assert_eq!(again.as_ref(), Some(ids), "{name}");
        }
    }
    assert_eq!(server.all_messages("t").await.len(), stored.len());
}

/// The number of kills, each of which comes amid writes.
fn kills_of_a_run() -> usize {
    3 * rounds()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_whole_or_absent_when_the_embedded_store_is_killed() {
    let directory = TempDir::new().unwrap();
    let pod = "killed-with-batches";
    let environment = [("HOSTNAME", pod)];
    let mut server = Server::start(&directory, &environment).await;
    let writers = Writers::start(&server.url, pod);
    let (start, mut kills) = (Instant::now(), 0);
    while kills < kills_of_a_run() && start.elapsed() < TIME {
        writers.random_moment().await;
        server.signal("KILL").await;
        server.ended().await;
        kills += 1;
        server = Server::start(&directory, &environment).await;
        writers.url.send_replace(server.url.clone());
    }
    let acknowledged = writers.stop().await;
    println!("{kills} kills, {} acknowledged batches", acknowledged.len());
    check(&server, acknowledged, pod).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_whole_or_absent_when_a_durable_redis_and_the_server_are_killed() {
    let mut redis = RedisServer::start_durable().await;
    let directory = TempDir::new().unwrap();
    let url = redis.url();
    let pod = "killed-with-redis-and-batches";
    let environment = [
        ("STORE_URL", url.as_str()),
        ("STORE_DURABILITY", "synced"),
        ("HOSTNAME", pod),
    ];
    let mut server = Server::start(&directory, &environment).await;
    let writers = Writers::start(&server.url, pod);
    let (start, mut kills) = (Instant::now(), 0);
    while kills < kills_of_a_run() && start.elapsed() < TIME {
        writers.random_moment().await;
        // Mostly Redis alone, which is the one that can store a part.
        let is_both = kills % 5 == 0;
        if is_both {
            server.signal("KILL").await;
            server.ended().await;
        }
        redis.stop();
        redis.start_again().await;
        kills += 1;
        if is_both {
            server = Server::start(&directory, &environment).await;
            writers.url.send_replace(server.url.clone());
        }
    }
    eventually(PATIENCE, async || {
        server.post("ready again").await.status().is_success()
    })
    .await;
    let acknowledged = writers.stop().await;
    println!("{kills} kills, {} acknowledged batches", acknowledged.len());
    check(&server, acknowledged, pod).await;
}
