//! Fills a running server over HTTP: a store in memory and a Redis have no file to copy.

use std::net::SocketAddr;

use serde_json::Value;

use super::sizes::Size;
use crate::http_client::HttpClient;

/// The most messages of a batch.
const BATCH: u32 = 1_000;
/// The messages of `inbox` before those of other topics.
const OF_INBOX: u32 = 1_000;
/// The connections that fill topics at once.
const CONNECTIONS: u32 = 8;
/// About the number of messages in the sample.
const SAMPLE: u32 = 10_000;
const MESSAGE: &str = r#"{"message":"The quick brown fox jumps over the lazy dog"}"#;

/// Topics and ids of some of the stored messages, evenly spread.
pub(super) type Sample = Vec<(String, String)>;

/// Stores the messages and topics of `size`, and returns a sample of them.
pub(super) fn run(address: SocketAddr, size: &Size) -> Result<Sample, String> {
    let of_inbox = if size.topics == 0 {
        size.messages
    } else {
        OF_INBOX
    };
    let every = size.messages.div_ceil(SAMPLE);
    let mut sample = Sample::new();
    let mut client = HttpClient::new(address);
    let mut stored = 0;
    while stored < of_inbox {
        let count = BATCH.min(of_inbox - stored);
        let ids = send(&mut client, "inbox", count)?;
        sample.extend(picked("inbox", &ids, every));
        stored += count;
    }
    std::thread::scope(|scope| {
        let connections =
            (0..CONNECTIONS).map(|first| scope.spawn(move || topics(address, size, first)));
        let connections: Vec<_> = connections.collect();
        for connection in connections {
            let found = connection.join().map_err(|_| "a connection panicked")?;
            sample.extend(found?);
        }
        Ok(())
    })
    .map(|()| sample)
}

/// Fills the topics of one connection: `first`, and every further one that is as many later as there are connections.
fn topics(address: SocketAddr, size: &Size, first: u32) -> Result<Sample, String> {
    let mut client = HttpClient::new(address);
    let mut sample = Sample::new();
    let count = (size.messages - OF_INBOX).div_ceil(size.topics.max(1));
    // Of the topics that have less than a sampled message each, some have one.
    let every = size.messages.div_ceil(SAMPLE);
    let mut number = first;
    while number < size.topics {
        let topic = format!("t{number}");
        let mut left = count;
        while left > 0 {
            let ids = send(&mut client, &topic, left.min(BATCH))?;
            left -= left.min(BATCH);
            if count >= every || number.is_multiple_of(every) {
                sample.extend(picked(&topic, &ids, every));
            }
        }
        number += CONNECTIONS;
    }
    Ok(sample)
}

/// The first of each `every` ids.
fn picked<'a>(
    topic: &'a str,
    ids: &'a [String],
    every: u32,
) -> impl Iterator<Item = (String, String)> + 'a {
    let every = usize::try_from(every).unwrap_or(usize::MAX);
    ids.iter()
        .step_by(every)
        .map(|id| (topic.to_owned(), id.clone()))
}

/// Stores `count` messages as one batch, and returns their ids.
fn send(client: &mut HttpClient, topic: &str, count: u32) -> Result<Vec<String>, String> {
    let path = format!("/api/v1/topics/{topic}/messages/batch");
    let messages: Vec<_> = (0..count).map(|_| MESSAGE).collect();
    let body = format!("[{}]", messages.join(","));
    let response = client
        .post(&path, "", &body)
        .map_err(|error| format!("{path}: {error}"))?;
    if response.status != 201 {
        return Err(format!("{path}: {} {}", response.status, response.body));
    }
    ids(&response.body).ok_or_else(|| format!("{path}: no receipts in {}", response.body))
}

/// The ids of the receipts.
fn ids(body: &str) -> Option<Vec<String>> {
    let body: Value = serde_json::from_str(body).ok()?;
    let receipts = body.get("receipts")?.as_array()?.iter();
    receipts
        .map(|receipt| Some(receipt.get("id")?.as_str()?.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_of_receipts_are_read() {
        let body = r#"{"success":true,"receipts":[{"id":"01A"},{"id":"01B"}]}"#;
        assert_eq!(ids(body), Some(vec!["01A".to_owned(), "01B".to_owned()]));
        assert_eq!(ids(r#"{"receipts":[{}]}"#), None);
    }

    #[test]
    fn one_id_of_each_step_is_picked() {
        let all: Vec<_> = (0..5).map(|number| number.to_string()).collect();
        let found: Vec<_> = picked("t", &all, 2).map(|(_, id)| id).collect();
        assert_eq!(found, ["0", "2", "4"]);
    }
}
