//! Requests one after the other on one connection, each of another place: a cache would serve what is read again.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::bench::paced::percentile;
use crate::http_client::{HttpClient, Response};

/// The number of pages.
const PAGES: usize = 1_000;
/// The number of topics that get their first message.
const FIRST: usize = 200;
/// A step through the sample that is coprime to its length, so that neighbours are not read in turn.
const STRIDE: usize = 7_919;

/// The median of pages of 50 of the inbox, in milliseconds.
pub(super) fn pages(address: SocketAddr, sample: &[(String, String)]) -> Result<f64, String> {
    let inbox: Vec<_> = sample
        .iter()
        .filter(|(topic, _)| topic == "inbox")
        .collect();
    // The last of them may have no 50 messages behind it.
    let inbox = inbox.get(..inbox.len().saturating_sub(inbox.len().div_ceil(10)));
    let inbox = inbox
        .filter(|inbox| !inbox.is_empty())
        .ok_or("no message of the inbox")?;
    let path = |number: usize| {
        let (topic, id) = inbox.get(number * STRIDE % inbox.len())?;
        Some(format!("/api/v1/topics/{topic}/messages?after={id}"))
    };
    let mut client = HttpClient::new(address);
    median((0..PAGES).filter_map(path), |path| client.get(path))
}

/// The median of reads of one message, in milliseconds.
pub(super) fn messages(address: SocketAddr, sample: &[(String, String)]) -> Result<f64, String> {
    let path = |number: usize| {
        let (topic, id) = sample.get(number * STRIDE % sample.len())?;
        Some(format!("/api/v1/topics/{topic}/messages/{id}"))
    };
    let mut client = HttpClient::new(address);
    median((0..sample.len()).filter_map(path), |path| client.get(path))
}

/// The median of messages that are the first of their topic, in milliseconds.
pub(super) fn first_messages(address: SocketAddr) -> Result<f64, String> {
    let mut client = HttpClient::new(address);
    let paths = (0..FIRST).map(|number| format!("/api/v1/topics/new-{number}/messages"));
    median(paths, |path| {
        client.post(path, "", r#"{"message":"first"}"#)
    })
}

#[expect(clippy::disallowed_methods, reason = "the bench measures real time")]
fn median(
    paths: impl Iterator<Item = String>,
    mut request: impl FnMut(&str) -> io::Result<Response>,
) -> Result<f64, String> {
    let mut times: Vec<Duration> = Vec::new();
    for path in paths {
        let start = Instant::now();
        let response = request(&path).map_err(|error| format!("{path}: {error}"))?;
        times.push(start.elapsed());
        if response.status > 201 {
            return Err(format!("{path}: {}", response.status));
        }
    }
    times.sort_unstable();
    Ok(percentile(&times, 50))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_without_the_inbox_has_no_page() {
        let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
        let sample = [("t1".to_owned(), "01A".to_owned())];
        assert!(pages(nobody, &sample).is_err());
    }
}
