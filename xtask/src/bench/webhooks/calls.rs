//! The calls that set up webhooks and send their messages. Each must succeed.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http_client::{HttpClient, Response};

const TEXT: &str = "The quick brown fox jumps over the lazy dog";
/// The messages of one batch.
const BATCH: usize = 1_000;

/// The calls to one server.
#[derive(Clone, Copy, Debug)]
pub(super) struct WebhookCalls {
    address: SocketAddr,
}

/// The id of an accepted message, and when its receipt came.
#[derive(Clone, Debug)]
pub(super) struct Accepted {
    pub(super) id: String,
    pub(super) at: Instant,
}

impl WebhookCalls {
    pub(super) const fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Creates webhooks, or changes their settings, each under its name and with its URL.
    pub(super) fn put(
        &self,
        topic: &str,
        webhooks: impl IntoIterator<Item = (String, String)>,
        settings: &Value,
    ) -> Result<(), String> {
        let mut client = HttpClient::new(self.address);
        for (name, url) in webhooks {
            let path = webhook(topic, &name);
            let mut body = settings.clone();
            if let Some(body) = body.as_object_mut() {
                body.insert("url".to_owned(), json!(url));
            }
            let response = client.put(&path, &body.to_string());
            succeeded("PUT", &path, response)?;
        }
        Ok(())
    }

    /// Deletes webhooks.
    pub(super) fn delete(
        &self,
        topic: &str,
        names: impl IntoIterator<Item = String>,
    ) -> Result<(), String> {
        let mut client = HttpClient::new(self.address);
        for name in names {
            let path = webhook(topic, &name);
            succeeded("DELETE", &path, client.delete(&path))?;
        }
        Ok(())
    }

    /// Sends `count` messages in batches; `count` is a multiple of [`BATCH`].
    pub(super) fn fill(&self, topic: &str, count: usize) -> Result<(), String> {
        let mut client = HttpClient::new(self.address);
        let path = format!("/api/v1/topics/{topic}/messages/batch");
        let messages = vec![json!({ "message": TEXT }); BATCH];
        let body = Value::from(messages).to_string();
        for _ in 0..count / BATCH {
            succeeded("POST", &path, client.post(&path, "", &body))?;
        }
        Ok(())
    }

    /// Sends messages at a fixed rate over one connection.
    #[expect(clippy::disallowed_methods, reason = "the bench measures real time")]
    pub(super) fn send_paced(
        &self,
        topic: &str,
        per_second: u32,
        seconds: u64,
    ) -> Result<Vec<Accepted>, String> {
        let mut client = HttpClient::new(self.address);
        let path = format!("/api/v1/topics/{topic}/messages");
        let body = json!({ "message": TEXT }).to_string();
        let interval = Duration::from_secs(1) / per_second;
        let start = Instant::now();
        let end = start + Duration::from_secs(seconds);
        let mut due = start;
        let mut accepted = Vec::new();
        while due < end {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let response = succeeded("POST", &path, client.post(&path, "", &body))?;
            let at = Instant::now();
            let receipt: Value =
                serde_json::from_str(&response.body).map_err(|error| error.to_string())?;
            let id = receipt
                .get("id")
                .and_then(Value::as_str)
                .unwrap_or_default();
            accepted.push(Accepted {
                id: id.to_owned(),
                at,
            });
            due += interval;
        }
        Ok(accepted)
    }
}

fn webhook(topic: &str, name: &str) -> String {
    format!("/api/v1/topics/{topic}/webhooks/{name}")
}

fn succeeded(
    method: &str,
    path: &str,
    response: std::io::Result<Response>,
) -> Result<Response, String> {
    let response = response.map_err(|error| format!("{method} {path}: {error}"))?;
    match response.status {
        200..=299 => Ok(response),
        status => Err(format!("{method} {path}: {status}: {}", response.body)),
    }
}
