//! Clients that send without a pause and record each response.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use serde_json::Value;

use crate::http_client::{HttpClient, Response};
use crate::process;

/// Clients that keep their connection.
const WRITERS: usize = 6;
/// Clients that open a connection for each request.
const CALLERS: usize = 2;
/// Every tenth message is sent again with its key.
const RETRY_EVERY: usize = 10;

/// Clients at work.
#[derive(Debug)]
pub(super) struct RolloutLoad {
    shared: Arc<LoadState>,
    clients: Vec<JoinHandle<Tally>>,
}

/// What the clients recorded.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) requests: usize,
    /// Requests without the expected response, each with the reason.
    pub(super) failures: Vec<String>,
    /// The texts of acknowledged messages, by id.
    pub(super) acknowledged: BTreeMap<String, String>,
    /// Retries that got the first receipt.
    pub(super) replayed: usize,
}

#[derive(Debug, Default)]
struct LoadState {
    stop: AtomicBool,
    requests: AtomicUsize,
}

impl RolloutLoad {
    /// Starts the clients of the server at `address`.
    pub(super) fn start(address: SocketAddr, topic: &'static str) -> Self {
        let shared = Arc::new(LoadState::default());
        let writers = (0..WRITERS).map(|number| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || write(address, topic, number, &shared))
        });
        let callers = (0..CALLERS).map(|_| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || call(address, &shared))
        });
        let clients = writers.chain(callers).collect();
        Self { shared, clients }
    }

    /// Waits until `count` more requests have a response.
    pub(super) fn wait_for(&self, count: usize) -> Result<(), String> {
        let goal = self.shared.requests.load(Ordering::Relaxed) + count;
        let reached = process::poll(|| self.shared.requests.load(Ordering::Relaxed) >= goal);
        if reached {
            Ok(())
        } else {
            Err("the clients got no responses".to_owned())
        }
    }

    /// Stops the clients and adds up their records.
    pub(super) fn finish(self) -> Result<Tally, String> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let mut sum = Tally::default();
        for client in self.clients {
            let tally = client.join().map_err(|_| "a client panicked")?;
            sum.requests += tally.requests;
            sum.failures.extend(tally.failures);
            sum.acknowledged.extend(tally.acknowledged);
            sum.replayed += tally.replayed;
        }
        Ok(sum)
    }
}

fn write(address: SocketAddr, topic: &str, number: usize, shared: &LoadState) -> Tally {
    let mut client = HttpClient::new(address);
    let mut tally = Tally::default();
    let path = format!("/api/v1/topics/{topic}/messages");
    let mut count = 0;
    while !shared.stop.load(Ordering::Relaxed) {
        count += 1;
        let text = format!("message {count} of writer {number}");
        let key = format!("Idempotency-Key: writer-{number}-{count}\r\n");
        let body = format!(r#"{{"message":"{text}"}}"#);
        let mut send = || {
            let id = id_of(client.post(&path, &key, &body));
            tally.requests += 1;
            shared.requests.fetch_add(1, Ordering::Relaxed);
            id.map_err(|problem| tally.failures.push(format!("{text}: {problem}")))
                .ok()
        };
        let Some(id) = send() else { continue };
        if count % RETRY_EVERY == 0 {
            match send() {
                Some(again) if again == id => tally.replayed += 1,
                Some(again) => tally.failures.push(format!("{text}: {id} became {again}")),
                None => {}
            }
        }
        tally.acknowledged.insert(id, text);
    }
    tally
}

fn call(address: SocketAddr, shared: &LoadState) -> Tally {
    let mut tally = Tally::default();
    while !shared.stop.load(Ordering::Relaxed) {
        let response = HttpClient::new(address).get("/api/v1/ping");
        tally.requests += 1;
        shared.requests.fetch_add(1, Ordering::Relaxed);
        match response {
            Ok(Response { status: 200, .. }) => {}
            Ok(response) => tally
                .failures
                .push(format!("ping: {}: {}", response.status, response.body)),
            Err(error) => tally.failures.push(format!("ping: {error}")),
        }
    }
    tally
}

/// The id in a receipt.
fn id_of(response: std::io::Result<Response>) -> Result<String, String> {
    let Response { status, body } = response.map_err(|error| error.to_string())?;
    let receipt: Option<Value> = serde_json::from_str(&body).ok();
    let id = receipt
        .as_ref()
        .and_then(|receipt| receipt.get("id")?.as_str());
    match (status, id) {
        (201, Some(id)) => Ok(id.to_owned()),
        _ => Err(format!("{status}: {body}")),
    }
}
