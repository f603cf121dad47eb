//! Writers and workers at work. Each records what it sent and received.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use super::calls::{self, CONSUMER, LEASE};
use super::history::{History, Lease, LeaseUse, UseKind, UseOutcome};
use super::random::Random;
use super::wall_clock::{Millis, now, pause};
use crate::http_client::HttpClient;

const WRITERS: usize = 3;
const WORKERS: usize = 8;
/// The most messages of a pull.
const MOST: u64 = 20;
/// How long a writer waits for its last receipt, in milliseconds.
const LAST_RECEIPT: Millis = 60_000;
/// The pause after a failure, so that clients do not spin while a server is down.
const AFTER_FAILURE: Millis = 10;

/// The clients of one run.
pub(super) struct Clients {
    stop: Arc<AtomicBool>,
    writers: Vec<JoinHandle<History>>,
    workers: Vec<JoinHandle<History>>,
}

/// A client with a connection to one of the servers.
struct ChaosClient {
    servers: Vec<SocketAddr>,
    random: Random,
    client: HttpClient,
}

impl Clients {
    /// Starts all clients. Each chooses one of `servers`, and another one after a failure.
    pub(super) fn start(servers: &[SocketAddr], random: &mut Random) -> Result<Self, String> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut caller = || ChaosClient::new(servers.to_vec(), random.fork());
        let mut writers = Vec::new();
        for number in 0..WRITERS {
            let (caller, stop) = (caller()?, Arc::clone(&stop));
            writers.push(thread::spawn(move || write(caller, number, &stop)));
        }
        let mut workers = Vec::new();
        for _ in 0..WORKERS {
            let (caller, stop) = (caller()?, Arc::clone(&stop));
            workers.push(thread::spawn(move || work(caller, &stop)));
        }
        Ok(Self {
            stop,
            writers,
            workers,
        })
    }

    /// Stops the clients and returns their records. A writer stops after its last receipt.
    pub(super) fn finish(self) -> Result<History, String> {
        self.stop.store(true, Ordering::Relaxed);
        let mut history = History::default();
        for client in self.writers.into_iter().chain(self.workers) {
            history.add(client.join().map_err(|_| "a client panicked")?);
        }
        Ok(history)
    }
}

impl ChaosClient {
    fn new(servers: Vec<SocketAddr>, random: Random) -> Result<Self, String> {
        let first = *servers.first().ok_or("there is no server")?;
        let mut caller = Self {
            servers,
            random,
            client: HttpClient::new(first),
        };
        caller.reconnect();
        Ok(caller)
    }

    /// Closes the connection; the next request opens one to a random server.
    fn reconnect(&mut self) {
        let count = u64::try_from(self.servers.len()).unwrap_or(1);
        let index = usize::try_from(self.random.below(count)).unwrap_or_default();
        if let Some(server) = self.servers.get(index) {
            self.client = HttpClient::new(*server);
        }
    }

    fn after_failure(&mut self) {
        pause(AFTER_FAILURE);
        self.reconnect();
    }

    /// Uses leases, all in the same way, and records the outcome.
    fn update(&mut self, kind: UseKind, delay: Option<Millis>, leases: &mut [Lease]) {
        if leases.is_empty() {
            return;
        }
        let sent = now();
        let borrowed: Vec<&Lease> = leases.iter().collect();
        let outcomes = calls::update(&mut self.client, kind, delay, &borrowed);
        let ended = now();
        if outcomes.contains(&UseOutcome::Unknown) {
            self.after_failure();
        }
        for (lease, outcome) in leases.iter_mut().zip(outcomes) {
            lease.uses.push(LeaseUse {
                kind,
                sent,
                ended,
                outcome,
            });
        }
    }
}

/// Sends messages, each with its key again until there is a receipt, or for a minute after the last fault.
fn write(mut caller: ChaosClient, number: usize, stop: &AtomicBool) -> History {
    let mut history = History::default();
    let mut count = 0;
    let mut deadline = None;
    let mut is_over = || {
        stop.load(Ordering::Relaxed)
            && now() > *deadline.get_or_insert_with(|| now() + LAST_RECEIPT)
    };
    while !stop.load(Ordering::Relaxed) {
        count += 1;
        let text = format!("message {count} of writer {number}");
        let key = format!("writer-{number}-{count}");
        let id = loop {
            let receipt = calls::send(&mut caller.client, &key, &text);
            if receipt.is_some() || is_over() {
                break receipt;
            }
            caller.after_failure();
        };
        match id {
            Some(id) => history.accept(id, text),
            None => history.unanswered.push(key),
        }
        pause(caller.random.between(1, 4));
    }
    history
}

/// Pulls messages, and does with them what a worker may do, or should not.
fn work(mut caller: ChaosClient, stop: &AtomicBool) -> History {
    let mut history = History::default();
    while !stop.load(Ordering::Relaxed) {
        let most = caller.random.between(1, MOST);
        let wait = 250 * caller.random.below(3);
        if caller.random.below(30) == 0 {
            // It dies while it waits for the response.
            let path = format!("{CONSUMER}/pull");
            caller.client.abandon(&path, &calls::pull_body(most, wait));
            caller.reconnect();
            continue;
        }
        match calls::pull(&mut caller.client, most, wait) {
            Ok(mut leases) => {
                handle(&mut caller, &mut leases);
                history.leases.extend(leases);
            }
            Err(_) => caller.after_failure(),
        }
    }
    history
}

fn handle(caller: &mut ChaosClient, leases: &mut [Lease]) {
    let delay = match caller.random.below(2) {
        0 => None,
        _ => Some(caller.random.between(0, 200)),
    };
    match caller.random.below(100) {
        // It dies with its leases.
        0..8 => caller.reconnect(),
        // It stalls past their end.
        8..16 => {
            pause(LEASE + caller.random.between(20, 300));
            caller.update(UseKind::Ack, None, leases);
        }
        16..24 => {
            let by = caller.random.between(1_000, 1_500);
            caller.update(UseKind::Extend(by), None, leases);
            pause(caller.random.between(0, 300));
            caller.update(UseKind::Ack, None, leases);
        }
        24..36 => caller.update(UseKind::Nack, delay, leases),
        36..50 => {
            let (first, second) = leases.split_at_mut(leases.len() / 2);
            caller.update(UseKind::Ack, None, first);
            caller.update(UseKind::Nack, delay, second);
            // The same tokens again are stale.
            caller.update(UseKind::Ack, None, first);
        }
        _ => {
            pause(caller.random.between(0, 20));
            caller.update(UseKind::Ack, None, leases);
        }
    }
}

/// Acknowledges everything that is left, until nothing waits. Returns the leases.
pub(super) fn drain(server: SocketAddr) -> Result<Vec<Lease>, String> {
    let random = Random::new(0);
    let mut caller = ChaosClient::new(vec![server], random)?;
    let mut handled = Vec::new();
    let mut failed = String::new();
    let is_drained = crate::process::poll(|| {
        loop {
            match calls::pull(&mut caller.client, 200, 0) {
                Ok(leases) if leases.is_empty() => break,
                Ok(mut leases) => {
                    caller.update(UseKind::Ack, None, &mut leases);
                    handled.append(&mut leases);
                }
                Err(error) => {
                    failed = error.to_string();
                    break;
                }
            }
        }
        let number = |status: &serde_json::Value, name| status.get(name)?.as_u64();
        calls::status(&mut caller.client).is_ok_and(|status| {
            number(&status, "waiting") == Some(0) && number(&status, "in_flight") == Some(0)
        })
    });
    if is_drained {
        Ok(handled)
    } else {
        Err(format!("messages still wait: {failed}"))
    }
}
