//! The calls of writers and workers.

use std::collections::BTreeMap;
use std::io;

use serde_json::Value;

use super::history::{Lease, UseKind, UseOutcome};
use super::wall_clock::Millis;
use crate::http_client::{HttpClient, Response};

pub(super) const MESSAGES: &str = "/api/v1/topics/chaos/messages";
pub(super) const CONSUMER: &str = "/api/v1/topics/chaos/consumers/workers";
/// The lease that every pull requests.
pub(super) const LEASE: Millis = 1_000;

/// A page of dead letters.
pub(super) struct DeadPage {
    /// The id and the attempts of each.
    pub(super) letters: Vec<(String, u64)>,
    /// The path of the next page.
    pub(super) next: Option<String>,
}

/// Sends a message and returns its id; `None` if there is no receipt.
pub(super) fn send(client: &mut HttpClient, key: &str, text: &str) -> Option<String> {
    let header = format!("Idempotency-Key: {key}\r\n");
    let body = serde_json::json!({ "message": text }).to_string();
    let response = client.post(MESSAGES, &header, &body).ok()?;
    if response.status != 201 {
        return None;
    }
    text_of(&parsed(&response).ok()?, "id")
}

/// The body of a pull.
pub(super) fn pull_body(most: u64, wait: Millis) -> String {
    let (wait, lease) = (seconds(wait), seconds(LEASE));
    format!(r#"{{"max":{most},"wait_seconds":{wait},"lease_seconds":{lease}}}"#)
}

/// Pulls messages; an error if there is no response with leases.
pub(super) fn pull(client: &mut HttpClient, most: u64, wait: Millis) -> io::Result<Vec<Lease>> {
    let body = post(client, "pull", &pull_body(most, wait))?;
    let messages = body.get("messages").and_then(Value::as_array);
    let leases = messages.ok_or_else(|| malformed("no messages"))?.iter();
    leases.map(lease).collect()
}

/// Settles or extends `leases`; one outcome for each of them.
pub(super) fn update(
    client: &mut HttpClient,
    kind: UseKind,
    delay: Option<Millis>,
    leases: &[&Lease],
) -> Vec<UseOutcome> {
    let tokens: Vec<&str> = leases.iter().map(|lease| lease.token.as_str()).collect();
    let tokens = serde_json::json!(tokens);
    let (call, body) = match kind {
        UseKind::Ack => ("ack", format!(r#"{{"leases":{tokens}}}"#)),
        UseKind::Nack => {
            let delay = delay.map_or(String::new(), |delay| {
                format!(r#","delay_seconds":{}"#, seconds(delay))
            });
            (
                "nack",
                format!(r#"{{"leases":{tokens},"reason":"chaos"{delay}}}"#),
            )
        }
        UseKind::Extend(by) => {
            let by = seconds(by);
            (
                "extend",
                format!(r#"{{"leases":{tokens},"lease_seconds":{by}}}"#),
            )
        }
    };
    let Ok(body) = post(client, call, &body) else {
        return vec![UseOutcome::Unknown; leases.len()];
    };
    let stale = body.get("stale").and_then(Value::as_array);
    let is_stale = |lease: &&Lease| {
        stale.is_some_and(|stale| stale.iter().any(|token| token == lease.token.as_str()))
    };
    let outcome = |lease| {
        if is_stale(lease) {
            UseOutcome::Stale
        } else {
            UseOutcome::Valid
        }
    };
    leases.iter().map(outcome).collect()
}

/// Creates the consumer.
pub(super) fn create(client: &mut HttpClient, max_attempts: u64) -> io::Result<()> {
    let body = format!(
        r#"{{"start":"oldest","max_attempts":{max_attempts},"backoff_seconds":[0,0.05,0.2]}}"#
    );
    let response = client.put(CONSUMER, &body)?;
    successful(&response)
}

/// The state of the consumer.
pub(super) fn status(client: &mut HttpClient) -> io::Result<Value> {
    let response = client.get(CONSUMER)?;
    successful(&response)?;
    parsed(&response)
}

/// The texts of all messages of the topic, by id.
pub(super) fn topic(client: &mut HttpClient) -> io::Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    let mut next = Some(format!("{MESSAGES}?order=asc&limit=200"));
    while let Some(path) = next {
        let response = client.get(&path)?;
        successful(&response)?;
        let page = parsed(&response)?;
        let messages = page.get("messages").and_then(Value::as_array);
        for message in messages.ok_or_else(|| malformed("no messages"))? {
            let stored = text_of(message, "id").zip(text_of(message, "message"));
            all.extend([stored.ok_or_else(|| malformed("a message"))?]);
        }
        next = text_of(&page, "next");
    }
    Ok(all)
}

/// One page of dead letters.
pub(super) fn dead(client: &mut HttpClient, path: &str) -> io::Result<DeadPage> {
    let response = client.get(path)?;
    successful(&response)?;
    let page = parsed(&response)?;
    let messages = page.get("messages").and_then(Value::as_array);
    let letters = messages.ok_or_else(|| malformed("no messages"))?.iter();
    let letter = |message: &Value| {
        let attempts = message.get("attempts").and_then(Value::as_u64);
        let letter = text_of(message, "id").zip(attempts);
        letter.ok_or_else(|| malformed("a dead letter"))
    };
    let letters = letters.map(letter).collect::<io::Result<_>>()?;
    Ok(DeadPage {
        letters,
        next: text_of(&page, "next"),
    })
}

fn post(client: &mut HttpClient, call: &str, body: &str) -> io::Result<Value> {
    let response = client.post(&format!("{CONSUMER}/{call}"), "", body)?;
    successful(&response)?;
    parsed(&response)
}

fn lease(message: &Value) -> io::Result<Lease> {
    let text = |name| text_of(message, name).ok_or_else(|| malformed(name));
    let expires: jiff::Timestamp = text("lease_expires_at")?
        .parse()
        .map_err(|_| malformed("lease_expires_at"))?;
    let expires = Millis::try_from(expires.as_millisecond()).unwrap_or_default();
    let attempt = message.get("attempt").and_then(Value::as_u64);
    Ok(Lease {
        id: text("id")?,
        text: text("message")?,
        token: text("lease")?,
        attempt: attempt.ok_or_else(|| malformed("attempt"))?,
        granted: expires.saturating_sub(LEASE),
        expires,
        uses: Vec::new(),
    })
}

fn successful(response: &Response) -> io::Result<()> {
    match response.status {
        200 | 201 => Ok(()),
        status => Err(io::Error::other(format!("{status}: {}", response.body))),
    }
}

fn parsed(response: &Response) -> io::Result<Value> {
    Ok(serde_json::from_str(&response.body)?)
}

fn text_of(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// Milliseconds as a number of seconds in JSON.
fn seconds(millis: Millis) -> String {
    format!("{}.{:03}", millis / 1_000, millis % 1_000)
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed: {what}"))
}
