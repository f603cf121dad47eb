//! A server with one consumer, as the contract describes it, whose state a test sees and changes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// The path of the only consumer.
const PATH: &str = "/api/v1/topics/jobs/consumers/worker";

/// A running stub.
pub(crate) struct StubConsumer {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

/// The state of the consumer.
#[derive(Default)]
pub(crate) struct State {
    /// True while connections are closed without a response.
    pub(crate) is_down: bool,
    /// How many connections were closed without a response.
    pub(crate) refused: usize,
    /// How many pulls wait for a message.
    pub(crate) open_pulls: usize,
    /// True once the consumer exists.
    pub(crate) exists: bool,
    /// The messages that are due.
    waiting: VecDeque<Entry>,
    leases: BTreeMap<String, (Entry, Instant)>,
    /// The ids and attempts of the acknowledged messages.
    pub(crate) acked: Vec<(String, u64)>,
    /// The ids and reasons of the messages that were given up.
    pub(crate) nacked: Vec<(String, String)>,
    /// How many leases were granted.
    pub(crate) granted: u64,
    /// The most leases at once.
    pub(crate) most_in_flight: usize,
    /// Method, path, conditional header and body of each request but pulls.
    pub(crate) requests: Vec<(String, String, Option<String>, Value)>,
    /// The bodies of the pulls.
    pub(crate) pulls: Vec<Value>,
    /// The response to a request that is neither about leases nor about the consumer itself.
    pub(crate) response: Value,
}

#[derive(Clone)]
struct Entry {
    message: Value,
    attempt: u64,
}

struct Request {
    method: String,
    path: String,
    condition: Option<String>,
    body: Value,
}

impl StubConsumer {
    /// Starts a server, whose consumer exists.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared::default());
        shared.state.lock().unwrap().exists = true;
        let server = Arc::clone(&shared);
        tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(connection, Arc::clone(&server)));
            }
        });
        Self { url, shared }
    }

    /// The state, locked.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }

    /// Adds a message.
    pub(crate) fn add(&self, id: &str, text: &str, attributes: Value) {
        let message = json!({
            "id": id, "topic": "jobs", "message": text, "attributes": attributes,
            "processed_at": "2026-01-01T00:00:00Z",
        });
        self.state().waiting.push_back(Entry {
            message,
            attempt: 1,
        });
        self.shared.changed.notify_waiters();
    }
}

impl State {
    /// Ends all leases, as a seek does.
    pub(crate) fn end_leases(&mut self) {
        self.leases.clear();
    }

    fn grant(&mut self, max: usize, lease: Duration) -> Vec<Value> {
        let now = Instant::now();
        let expired = self.leases.extract_if(.., |_, (_, end)| *end <= now);
        for (_, (mut entry, _)) in expired.collect::<Vec<_>>() {
            entry.attempt += 1;
            self.waiting.push_front(entry);
        }
        let count = max.min(self.waiting.len());
        let entries: Vec<_> = self.waiting.drain(..count).collect();
        let granted = entries.into_iter().map(|entry| {
            self.granted += 1;
            let token = format!("lease-{}", self.granted);
            let mut message = entry.message.clone();
            message["lease"] = json!(token);
            message["attempt"] = json!(entry.attempt);
            message["lease_expires_at"] = json!("2026-01-01T00:00:30Z");
            self.leases.insert(token, (entry, now + lease));
            message
        });
        let granted = granted.collect();
        self.most_in_flight = self.most_in_flight.max(self.leases.len());
        granted
    }

    /// Handles `ack`, `nack` and `extend`.
    fn settle(&mut self, action: &str, body: &Value) -> Value {
        let now = Instant::now();
        let (mut settled, mut stale) = (0, Vec::new());
        for token in body["leases"].as_array().unwrap() {
            let token = token.as_str().unwrap();
            let Some((entry, end)) = self.leases.remove(token).filter(|(_, end)| *end > now) else {
                stale.push(token.to_owned());
                continue;
            };
            settled += 1;
            let id = entry.message["id"].as_str().unwrap().to_owned();
            match action {
                "ack" => self.acked.push((id, entry.attempt)),
                "nack" => {
                    let reason = body["reason"].as_str().unwrap_or_default().to_owned();
                    self.nacked.push((id, reason));
                    let attempt = entry.attempt + 1;
                    if attempt <= 2 {
                        self.waiting.push_back(Entry { attempt, ..entry });
                    }
                }
                _ => {
                    let end = end.max(now + lease(body));
                    self.leases.insert(token.to_owned(), (entry, end));
                }
            }
        }
        json!({ "settled": settled, "stale": stale })
    }
}

fn lease(body: &Value) -> Duration {
    // A lease without a length gets the setting of the consumer.
    Duration::from_secs_f64(body["lease_seconds"].as_f64().unwrap_or(2.5))
}

async fn serve(mut connection: TcpStream, shared: Arc<Shared>) {
    let Some(request) = read(&mut connection).await else {
        return;
    };
    if refuses(&shared) {
        return;
    }
    let is_pull = request.path.ends_with("/pull");
    shared.state.lock().unwrap().open_pulls += usize::from(is_pull);
    let response = tokio::select! {
        response = respond(&shared, request) => Some(response),
        // The client has closed the connection.
        _ = connection.read_u8() => None,
    };
    shared.state.lock().unwrap().open_pulls -= usize::from(is_pull);
    let Some((status, body)) = response.filter(|_| !refuses(&shared)) else {
        return;
    };
    let body = if status == "204 No Content" {
        String::new()
    } else {
        body.to_string()
    };
    let response = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nETag: \"tag\"\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let _ = connection.write_all(response.as_bytes()).await;
}

/// True while the server is down; counts the connection.
fn refuses(shared: &Shared) -> bool {
    let mut state = shared.state.lock().unwrap();
    state.refused += usize::from(state.is_down);
    state.is_down
}

async fn read(connection: &mut TcpStream) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut words = head.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let field = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(field, _)| field.eq_ignore_ascii_case(name))?;
        Some(found.1.to_owned())
    };
    let length = field("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await.ok()?;
    Some(Request {
        condition: field("if-match").or_else(|| field("if-none-match")),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        method,
        path,
    })
}

async fn respond(shared: &Shared, request: Request) -> (&'static str, Value) {
    let action = request.path.strip_prefix(PATH).map(ToOwned::to_owned);
    if action.as_deref() == Some("/pull") {
        return pull(shared, &request.body).await;
    }
    let mut state = shared.state.lock().unwrap();
    let existed = state.exists;
    let Request {
        method,
        path,
        condition,
        body,
    } = request;
    let (is_put, is_delete) = (method == "PUT", method == "DELETE");
    let is_only_if_absent = condition.as_deref() == Some("*");
    state.requests.push((method, path, condition, body.clone()));
    let problem = |code: &str| json!({ "code": code });
    match action.as_deref() {
        Some("") if is_put && existed && is_only_if_absent => {
            ("412 Precondition Failed", problem("precondition-failed"))
        }
        Some("") if is_put => {
            state.exists = true;
            ("201 Created", resource())
        }
        _ if is_delete => ("204 No Content", Value::Null),
        Some(_) if !existed => ("404 Not Found", problem("not-found")),
        Some("" | "/seek") => ("200 OK", resource()),
        Some(settle @ ("/ack" | "/nack" | "/extend")) => {
            let result = state.settle(settle.trim_start_matches('/'), &body);
            shared.changed.notify_waiters();
            ("200 OK", result)
        }
        _ => ("200 OK", state.response.clone()),
    }
}

async fn pull(shared: &Shared, body: &Value) -> (&'static str, Value) {
    shared.state.lock().unwrap().pulls.push(body.clone());
    let max = usize::try_from(body["max"].as_u64().unwrap_or(10)).unwrap();
    let wait = body["wait_seconds"].as_f64().unwrap_or(0.0);
    let end = Instant::now() + Duration::from_secs_f64(wait);
    loop {
        let changed = shared.changed.notified();
        let (granted, next_expiry) = {
            let mut state = shared.state.lock().unwrap();
            if !state.exists {
                return ("404 Not Found", json!({ "code": "not-found" }));
            }
            let granted = state.grant(max, lease(body));
            (granted, state.leases.values().map(|(_, end)| *end).min())
        };
        if !granted.is_empty() || Instant::now() >= end {
            return ("200 OK", json!({ "messages": granted }));
        }
        let _ = timeout_at(next_expiry.unwrap_or(end).min(end), changed).await;
    }
}

fn resource() -> Value {
    json!({
        "name": "worker", "topic": "jobs", "lease_seconds": 2.5, "waiting": 1, "in_flight": 0,
        "dead": 0, "missed": 0, "oldest_waiting_at": null,
    })
}
