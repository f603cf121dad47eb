//! Two processes on one Redis that are killed at random while they deliver: every message arrives, no two
//! attempts at one message overlap, and what was settled is never sent again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use posthorn_domain::WebhookSecret;
use posthorn_testkit::{RedisServer, eventually};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::support::{Server, client};
use crate::tokens::KEY;

const MESSAGES: usize = 1_000;
const WRITERS: usize = 4;
/// The most leases at one moment, and so the most deliveries that one kill can leave unsettled.
const MAX_IN_FLIGHT: usize = 20;
/// Longer than the leases that a killed process leaves, 20 seconds, on a loaded machine.
const DRAIN: Duration = Duration::from_mins(2);
const WEBHOOK: &str = "/api/v1/topics/orders/webhooks/w";

/// One attempt, as the receiver saw it.
#[derive(Clone, Copy, Debug)]
struct SeenAttempt {
    began: Instant,
    /// When the response was written, or its connection was found closed.
    ended: Instant,
    /// True if a response with 2xx was written.
    accepted: bool,
}

/// By `webhook-id`.
type SeenAttempts = Arc<Mutex<BTreeMap<String, Vec<SeenAttempt>>>>;
/// The requests that are read, and not among the seen attempts yet.
type OpenRequests = Arc<AtomicUsize>;

/// Listens until it is dropped. It takes up to 20 ms, and rejects every tenth request.
struct RecordingReceiver {
    url: String,
    attempts: SeenAttempts,
    open: OpenRequests,
    task: JoinHandle<()>,
}

impl RecordingReceiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let attempts = SeenAttempts::default();
        let open = OpenRequests::default();
        let (seen, counted) = (Arc::clone(&attempts), Arc::clone(&open));
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                connections.spawn(serve(connection, Arc::clone(&seen), Arc::clone(&counted)));
            }
        });
        Self {
            url,
            attempts,
            open,
            task,
        }
    }

    /// Waits until every request is among the attempts. A server may have settled a response before
    /// that.
    async fn all_seen(&self) {
        eventually(DRAIN, async || self.open.load(Ordering::SeqCst) == 0).await;
    }

    /// The number of requests with other ids than `but`.
    fn requests(&self, but: &str) -> usize {
        let attempts = self.attempts.lock().unwrap();
        let others = attempts.iter().filter(|(id, _)| id.as_str() != but);
        others.map(|(_, attempts)| attempts.len()).sum()
    }

    fn has(&self, id: &str) -> bool {
        self.attempts.lock().unwrap().contains_key(id)
    }
}

impl Drop for RecordingReceiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves the requests of one connection until its client goes away.
async fn serve(connection: TcpStream, attempts: SeenAttempts, open: OpenRequests) {
    let mut stream = BufReader::new(connection);
    while let Ok(Some(id)) = read_request(&mut stream).await {
        open.fetch_add(1, Ordering::SeqCst);
        let began = Instant::now();
        let number = attempts
            .lock()
            .unwrap()
            .values()
            .map(Vec::len)
            .sum::<usize>();
        let wait = u64::try_from(number * 7 % 20).unwrap();
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let status = if number % 10 == 9 { "500" } else { "200" };
        let response = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n");
        let written = stream
            .get_mut()
            .write_all(response.as_bytes())
            .await
            .is_ok();
        let attempt = SeenAttempt {
            began,
            ended: Instant::now(),
            accepted: written && status == "200",
        };
        attempts
            .lock()
            .unwrap()
            .entry(id)
            .or_default()
            .push(attempt);
        open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The `webhook-id` of the next request; `None` at the end of the connection.
async fn read_request(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<String>> {
    let (mut id, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        match line.to_lowercase().split_once(": ") {
            Some(("webhook-id", _)) => id = line.split_once(": ").map(|(_, id)| id.to_owned()),
            Some(("content-length", text)) => length = text.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(id)
}

/// Sends a message under its text as the idempotency key, to the process that `url` names, until it is
/// accepted. Returns its id.
async fn send(client: &Client, url: impl Fn() -> String, text: &str) -> String {
    loop {
        let target = format!("{}/api/v1/topics/orders/messages", url());
        let request = client.post(target).header("Idempotency-Key", text);
        let request = request.timeout(Duration::from_secs(5));
        let sent = request.json(&json!({ "message": text })).send().await;
        // A process that was killed accepts no connection, or resets it.
        if let Ok(response) = sent
            && response.status() == StatusCode::CREATED
            && let Ok(receipt) = response.json::<Value>().await
        {
            return receipt["id"].as_str().unwrap().to_owned();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Sends the messages of one writer, slowly, so that they come over the time of several kills.
async fn write(writer: usize, url: watch::Receiver<String>) -> Vec<String> {
    let client = client();
    let mut ids = Vec::new();
    for number in 0..MESSAGES / WRITERS {
        let text = format!("{writer}-{number}");
        ids.push(send(&client, || url.borrow().clone(), &text).await);
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    ids
}

/// Every byte in the files below `directory`.
fn bytes_below(directory: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            bytes.extend(bytes_below(&path));
        } else {
            bytes.extend(fs::read(&path).unwrap());
        }
    }
    bytes
}

/// Neither as text nor as the bytes of the key.
fn check_dump(dump: &[u8], hidden: &[&[u8]]) {
    let contains = |part: &[u8]| dump.windows(part.len()).any(|window| window == part);
    assert!(contains(b"sealed"), "the dump holds the webhook");
    for part in hidden {
        assert!(
            !contains(part),
            "{:?} is in the dump",
            String::from_utf8_lossy(part)
        );
    }
}

/// Each id was accepted, no two of its attempts overlap, and few came again after they were accepted:
/// those whose process was killed before it settled them.
fn check_attempts(attempts: &SeenAttempts, ids: &[String], kills: usize) {
    let attempts = attempts.lock().unwrap();
    let mut again = 0;
    for id in ids {
        let seen = attempts
            .get(id)
            .unwrap_or_else(|| panic!("{id} never arrived"));
        assert!(
            seen.iter().any(|attempt| attempt.accepted),
            "{id}: {seen:?}"
        );
        let mut seen = seen.clone();
        seen.sort_by_key(|attempt| attempt.began);
        for pair in seen.windows(2) {
            assert!(
                pair[0].ended <= pair[1].began,
                "{id}: two at once: {pair:?}"
            );
            again += usize::from(pair[0].accepted);
        }
    }
    assert_eq!(attempts.len(), ids.len(), "only messages arrive");
    assert!(
        again <= kills * MAX_IN_FLIGHT,
        "{again} came again after {kills} kills"
    );
}

/// Kills one of the processes at random, and starts it again, until the writers are done. Returns the
/// number of kills.
async fn kill_at_random(
    servers: &mut [Server; 2],
    directories: &[TempDir; 2],
    environment: &[(&str, &str)],
    url: &watch::Sender<String>,
    writing: &JoinHandle<Vec<Vec<String>>>,
) -> usize {
    let mut kills = 0;
    while !writing.is_finished() {
        let pause = rand::random_range(200..900);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let victim = usize::from(rand::random::<bool>());
        url.send_replace(servers[1 - victim].url.clone());
        servers[victim].signal("KILL").await;
        servers[victim].ended().await;
        kills += 1;
        servers[victim] = Server::start(&directories[victim], environment).await;
    }
    kills
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_arrives_and_none_twice_at_once_while_processes_are_killed() {
    let receiver = RecordingReceiver::start().await;
    let redis = RedisServer::start_with(&["--save", "", "--appendonly", "yes"]).await;
    let redis_url = redis.url();
    let environment = [
        ("STORE_URL", redis_url.as_str()),
        ("SECRET_KEY", KEY),
        ("WEBHOOK_ALLOW_CIDRS", "127.0.0.1"),
    ];
    let directories = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let mut servers = [
        Server::start(&directories[0], &environment).await,
        Server::start(&directories[1], &environment).await,
    ];
    let settings = json!({
        "url": receiver.url, "timeout_seconds": 5, "schedule_seconds": vec![0.2; 20],
        "max_in_flight": MAX_IN_FLIGHT, "headers": {"Authorization": "Bearer hunter2hunter2"},
    });
    let put = servers[0]
        .client
        .put(format!("{}{WEBHOOK}", servers[0].url));
    let created: Value = put
        .json(&settings)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let secret = created["secret"].as_str().unwrap().to_owned();

    let (url, urls) = watch::channel(servers[0].url.clone());
    let writers: JoinSet<_> = (0..WRITERS)
        .map(|writer| write(writer, urls.clone()))
        .collect();
    let writing = tokio::spawn(writers.join_all());
    let kills = kill_at_random(&mut servers, &directories, &environment, &url, &writing).await;
    let ids = writing.await.unwrap().concat();
    assert_eq!(ids.len(), MESSAGES);

    // The leases of killed processes end before their messages come again.
    eventually(DRAIN, async || {
        let webhook = servers[0].get_json(WEBHOOK).await;
        assert_eq!(webhook["dead"], 0);
        webhook["waiting"] == 0 && webhook["in_flight"] == 0
    })
    .await;
    receiver.all_seen().await;
    let settled = receiver.requests("");
    check_attempts(&receiver.attempts, &ids, kills);

    // What is settled does not come again: neither now, nor after both processes started anew.
    for victim in 0..2 {
        servers[victim].signal("KILL").await;
        servers[victim].ended().await;
        servers[victim] = Server::start(&directories[victim], &environment).await;
    }
    let last = send(&servers[1].client, || servers[1].url.clone(), "last").await;
    eventually(DRAIN, async || receiver.has(&last)).await;
    receiver.all_seen().await;
    assert_eq!(receiver.requests(&last), settled);

    let key = WebhookSecret::parse(&secret).unwrap();
    let hidden: [&[u8]; 4] = [
        secret.as_bytes(),
        &secret.as_bytes()["whsec_".len()..],
        key.key(),
        b"hunter2hunter2",
    ];
    check_dump(&bytes_below(redis.directory()), &hidden);
}
