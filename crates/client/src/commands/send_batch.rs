//! `posthorn send --batch`: sends each line of the input as a message, in batches.

mod key;
mod reader;

use std::collections::VecDeque;
use std::io::BufRead;
use std::time::Duration;

use posthorn_domain::Topic;
use serde_json::Value;

use self::key::batch_key;
use self::reader::{BatchReader, NumberedLine};
use crate::api::ApiClient;
use crate::error::ClientError;
use crate::retry::Retry;

pub(super) use self::key::parse as idempotency_key;
pub(super) use self::reader::BatchLines;

/// The status of a batch that is too large for the server or for the quota of the client.
const PAYLOAD_TOO_LARGE: u16 = 413;
/// What a user can do about [`PAYLOAD_TOO_LARGE`] where the input must not be split otherwise.
const SPLIT_ADVICE: &str = "with --idempotency-key batches are never made smaller: split the input and \
    give each part its own key, or raise RATE_LIMIT_MESSAGE, MAX_BATCH_BYTES or MAX_BODY_BYTES";

/// What to send, and how.
#[derive(Clone, Debug)]
pub(super) struct SendBatchRequest {
    /// The topic.
    pub(super) topic: Topic,
    /// The kind of the lines.
    pub(super) lines: BatchLines,
    /// The key by which the server recognises another run with the same input: that of the first batch,
    /// and with a number the start of the others'. `None` gives each batch a new UUID of version 7.
    pub(super) idempotency_key: Option<String>,
    /// The time limit of all tries of one batch.
    pub(super) retry_for: Duration,
}

/// Sends the lines of `input` in batches and calls `sent` with the receipts of each batch. A batch that
/// is too large for the server is sent in halves, unless the request has a key: the batches of a key
/// depend on the input alone, so that another run repeats them.
///
/// # Errors
/// The first batch that fails, with the numbers of its lines; the batches before it are stored. A key
/// that is too long for several batches, before anything is sent.
pub(super) async fn send_batch(
    client: &ApiClient,
    request: &SendBatchRequest,
    input: impl BufRead,
    mut sent: impl FnMut(&[Value]) -> Result<(), ClientError>,
) -> Result<(), ClientError> {
    let mut reader = BatchReader::new(input, &request.lines);
    if let Some(key) = &request.idempotency_key {
        return send_with_key(client, request, key, &mut reader, sent).await;
    }
    loop {
        let lines = reader.next_batch()?;
        if lines.is_empty() {
            return Ok(());
        }
        let mut waiting = VecDeque::from([lines]);
        while let Some(mut lines) = waiting.pop_front() {
            let key = uuid::Uuid::now_v7().to_string();
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

/// Sends the batches of `reader` as they are, with keys made of `key`.
async fn send_with_key(
    client: &ApiClient,
    request: &SendBatchRequest,
    key: &str,
    reader: &mut BatchReader<'_, impl BufRead>,
    mut sent: impl FnMut(&[Value]) -> Result<(), ClientError>,
) -> Result<(), ClientError> {
    let mut number = 1;
    loop {
        let lines = reader.next_batch()?;
        if lines.is_empty() {
            return Ok(());
        }
        // Before the first batch, so that nothing is stored with a key that fails later.
        if number == 1 && key::is_for_one_batch(key) && reader.has_more()? {
            return Err(key::too_long());
        }
        let receipts = send_lines(client, request, &batch_key(key, number), &lines).await;
        sent(&receipts.map_err(|error| in_lines(&lines, with_advice(error)))?)?;
        number += 1;
    }
}

/// Sends one batch.
async fn send_lines(
    client: &ApiClient,
    request: &SendBatchRequest,
    key: &str,
    lines: &[NumberedLine],
) -> Result<Vec<Value>, ClientError> {
    let json: Vec<_> = lines.iter().map(|line| line.json.as_str()).collect();
    let body = json.join("\n");
    let name = |index: usize| {
        let line = lines.get(index);
        line.map_or_else(|| index.to_string(), |line| format!("line {}", line.number))
    };
    let mut retry = Retry::within(request.retry_for);
    let send = async || {
        client
            .send_lines(&request.topic, body.clone(), key, name)
            .await
    };
    retry.run(send).await
}

/// The numbers of the first and the last line, such as `1-1000`.
fn span(lines: &[NumberedLine]) -> String {
    let number = |line: Option<&NumberedLine>| line.map_or(0, |line| line.number);
    format!("{}-{}", number(lines.first()), number(lines.last()))
}

/// Adds to an error of a batch with a key what can be done.
fn with_advice(error: ClientError) -> ClientError {
    match error {
        ClientError::Rejected { status, text } if status == PAYLOAD_TOO_LARGE => {
            let text = format!("{text}; {SPLIT_ADVICE}");
            ClientError::Rejected { status, text }
        }
        error => error,
    }
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
