//! `posthorn send --batch`: sends each line of the input as a message, in batches.

use std::collections::{BTreeMap, VecDeque};
use std::io::BufRead;
use std::time::Duration;

use posthorn_domain::{MessageBatch, Topic};
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::api::ApiClient;
use crate::error::ClientError;
use crate::retry::Retry;

/// The most bytes of a batch: below the default of `MAX_BATCH_BYTES`.
const MAX_BYTES: usize = 768 * 1024;
/// The most bytes of a line: the largest body that a server can be configured to accept.
const MAX_LINE_BYTES: usize = 16 << 20;
/// The status of a batch that is too large for the server or for the quota of the client.
const PAYLOAD_TOO_LARGE: u16 = 413;

/// The kind of the lines. Empty lines are skipped.
#[derive(Clone, Debug)]
pub(super) enum BatchLines {
    /// Each line is the text of a message with these attributes.
    Texts(BTreeMap<String, String>),
    /// Each line is a message as a JSON object.
    Objects,
}

/// What to send, and how.
#[derive(Clone, Debug)]
pub(super) struct SendBatchRequest {
    /// The topic.
    pub(super) topic: Topic,
    /// The kind of the lines.
    pub(super) lines: BatchLines,
    /// The beginning of the keys by which the server recognises retries; a new UUID of version 7 if
    /// `None`. The key of a batch ends with the numbers of its lines.
    pub(super) idempotency_key: Option<String>,
    /// The time limit of all tries of one batch.
    pub(super) retry_for: Duration,
}

/// A message from a line of text.
#[derive(Serialize)]
struct LineBody<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: &'a BTreeMap<String, String>,
}

/// A line of JSON with its number in the input, from 1.
struct NumberedLine {
    number: u64,
    json: String,
}

/// Sends the lines of `input` in batches and calls `sent` with the receipts of each batch. A batch that
/// is too large for the server is sent in halves.
///
/// # Errors
/// The first batch that fails, with the numbers of its lines; the batches before it are stored.
pub(super) async fn send_batch(
    client: &ApiClient,
    request: &SendBatchRequest,
    mut input: impl BufRead,
    mut sent: impl FnMut(&[Value]) -> Result<(), ClientError>,
) -> Result<(), ClientError> {
    let new_key = || uuid::Uuid::now_v7().to_string();
    let key = request.idempotency_key.clone().unwrap_or_else(new_key);
    let mut number = 0;
    loop {
        let lines = read_lines(&mut input, &request.lines, &mut number)?;
        if lines.is_empty() {
            return Ok(());
        }
        let mut waiting = VecDeque::from([lines]);
        while let Some(mut lines) = waiting.pop_front() {
            match send_lines(client, request, &key, &lines).await {
                Ok(receipts) => sent(&receipts)?,
                Err(ClientError::Rejected { status, .. })
                    if status == PAYLOAD_TOO_LARGE && lines.len() > 1 =>
                {
                    let second = lines.split_off(lines.len() / 2);
                    waiting.push_front(second);
                    waiting.push_front(lines);
                }
                Err(error) => return Err(in_lines(&lines, error)),
            }
        }
    }
}

/// Sends one batch.
async fn send_lines(
    client: &ApiClient,
    request: &SendBatchRequest,
    key: &str,
    lines: &[NumberedLine],
) -> Result<Vec<Value>, ClientError> {
    let key = format!("{key}.{}", span(lines));
    let json: Vec<_> = lines.iter().map(|line| line.json.as_str()).collect();
    let body = json.join("\n");
    let mut retry = Retry::within(request.retry_for);
    let send = async || client.send_lines(&request.topic, body.clone(), &key).await;
    retry.run(send).await
}

/// Reads the lines of one batch; none at the end of the input.
fn read_lines(
    input: &mut impl BufRead,
    kind: &BatchLines,
    number: &mut u64,
) -> Result<Vec<NumberedLine>, ClientError> {
    let (mut lines, mut bytes) = (Vec::new(), 0);
    while lines.len() < MessageBatch::MAX_MESSAGES && bytes < MAX_BYTES {
        let mut line = Vec::new();
        let limit = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX);
        let read = std::io::Read::take(&mut *input, limit).read_until(b'\n', &mut line);
        let read = read.map_err(|error| ClientError::Local(format!("standard input: {error}")))?;
        if read == 0 {
            break;
        }
        *number += 1;
        let failed = |reason: &str| ClientError::Local(format!("line {number}: {reason}"));
        if read == MAX_LINE_BYTES {
            return Err(failed("it is too long"));
        }
        let line = std::str::from_utf8(&line).map_err(|_| failed("it is not UTF-8"))?;
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let json = match kind {
            BatchLines::Texts(attributes) => {
                let message = line;
                serde_json::to_string(&LineBody {
                    message,
                    attributes,
                })
                .map_err(ClientError::local)?
            }
            BatchLines::Objects => {
                serde_json::from_str::<IgnoredAny>(line).map_err(|_| failed("it is not JSON"))?;
                line.to_owned()
            }
        };
        bytes += json.len() + 1;
        let number = *number;
        lines.push(NumberedLine { number, json });
    }
    Ok(lines)
}

/// The numbers of the first and the last line, such as `1-1000`.
fn span(lines: &[NumberedLine]) -> String {
    let number = |line: Option<&NumberedLine>| line.map_or(0, |line| line.number);
    format!("{}-{}", number(lines.first()), number(lines.last()))
}

/// Adds the numbers of the lines to a rejection.
fn in_lines(lines: &[NumberedLine], error: ClientError) -> ClientError {
    let span = span(lines);
    match error {
        ClientError::Rejected { status, text } => ClientError::Rejected {
            status,
            text: format!("{text}; nothing of the lines {span} is stored"),
        },
        ClientError::GaveUp { limit, reason } => ClientError::GaveUp {
            limit,
            reason: format!("{reason}; the lines from {span} on may not be stored"),
        },
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &str, kind: &BatchLines) -> Result<Vec<Vec<(u64, String)>>, String> {
        let (mut input, mut number) = (input.as_bytes(), 0);
        let mut batches = Vec::new();
        loop {
            let lines = read_lines(&mut input, kind, &mut number);
            let lines = lines.map_err(|error| error.to_string())?;
            if lines.is_empty() {
                return Ok(batches);
            }
            let lines = lines.into_iter().map(|line| (line.number, line.json));
            batches.push(lines.collect());
        }
    }

    #[test]
    fn each_line_is_a_message() {
        let texts = BatchLines::Texts(BTreeMap::from([("k".to_owned(), "v".to_owned())]));
        let line = |number, text: &str| {
            (
                number,
                format!(r#"{{"message":"{text}","attributes":{{"k":"v"}}}}"#),
            )
        };
        let expected = vec![vec![line(1, "a \\\" b"), line(4, "c")]];
        assert_eq!(read("a \" b\r\n\n  \nc", &texts), Ok(expected));
        assert_eq!(read("", &texts), Ok(vec![]));
        let objects = read("{\"message\": \"a\"}\n\n[]\n", &BatchLines::Objects);
        let expected = vec![(1, "{\"message\": \"a\"}".to_owned()), (3, "[]".to_owned())];
        assert_eq!(objects, Ok(vec![expected]));
        let failed = read("{}\nx\n", &BatchLines::Objects);
        assert_eq!(failed, Err("line 2: it is not JSON".to_owned()));
    }

    #[test]
    fn many_lines_are_split_by_number_and_by_size() {
        let texts = BatchLines::Texts(BTreeMap::new());
        let sizes = |input: &str| {
            let batches = read(input, &texts).unwrap();
            batches.iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&"x\n".repeat(2500)), [1000, 1000, 500]);
        let long = format!("{}\n", "x".repeat(300_000));
        assert_eq!(sizes(&long.repeat(4)), [3, 1]);
    }
}
