//! The lines of an input as batches, which depend on the input alone.

use std::collections::BTreeMap;
use std::io::BufRead;

use posthorn_domain::MessageBatch;
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::error::ClientError;

/// The most bytes of a batch of several messages: a quarter of the default of `MAX_BATCH_BYTES`, so that an uplink of
/// 27 kB/s sends it within the default of `REQUEST_TIMEOUT`.
const MAX_BYTES: usize = 256 << 10;
/// The most bytes of a line: the largest body that a server can be configured to accept.
const MAX_LINE_BYTES: usize = 16 << 20;
/// The byte order mark, which some editors put before the first line.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The kind of the lines. Empty lines are skipped.
#[derive(Clone, Debug)]
pub(in crate::commands) enum BatchLines {
    /// Each line is the text of a message with these attributes.
    Texts(BTreeMap<String, String>),
    /// Each line is a message as a JSON object.
    Objects,
}

/// A line of JSON with its number in the input, from 1.
pub(super) struct NumberedLine {
    pub(super) number: u64,
    pub(super) json: String,
}

/// A message from a line of text.
#[derive(Serialize)]
struct LineBody<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: &'a BTreeMap<String, String>,
}

/// Reads an input batch by batch: each has as many messages and bytes as fit.
pub(super) struct BatchReader<'a, R> {
    input: R,
    kind: &'a BatchLines,
    /// The number of the last line that was read.
    number: u64,
    /// The line that was read but is not yet in a batch.
    next: Option<NumberedLine>,
}

impl<'a, R: BufRead> BatchReader<'a, R> {
    pub(super) const fn new(input: R, kind: &'a BatchLines) -> Self {
        Self {
            input,
            kind,
            number: 0,
            next: None,
        }
    }

    /// The next batch; empty at the end of the input. A line over [`MAX_BYTES`] is a batch of its own.
    ///
    /// # Errors
    /// A line is no message, with its number, or the input cannot be read.
    pub(super) fn next_batch(&mut self) -> Result<Vec<NumberedLine>, ClientError> {
        let (mut lines, mut bytes) = (Vec::new(), 0);
        while lines.len() < MessageBatch::MAX_MESSAGES && self.has_more()? {
            // With the line feed that parts it from the next one.
            let length = |line: &NumberedLine| line.json.len() + 1;
            let fits = |line: &NumberedLine| bytes + line.json.len() <= MAX_BYTES;
            let next = self.next.take_if(|line| lines.is_empty() || fits(line));
            let Some(line) = next else {
                break;
            };
            bytes += length(&line);
            lines.push(line);
        }
        Ok(lines)
    }

    /// True if the input has another message.
    ///
    /// # Errors
    /// As of [`BatchReader::next_batch`].
    pub(super) fn has_more(&mut self) -> Result<bool, ClientError> {
        while self.next.is_none() {
            let Some(line) = self.read_line()? else {
                return Ok(false);
            };
            let line = line.trim();
            if !line.is_empty() {
                let json = self.json(line)?;
                let number = self.number;
                self.next = Some(NumberedLine { number, json });
            }
        }
        Ok(true)
    }

    /// The next line; `None` at the end of the input.
    fn read_line(&mut self) -> Result<Option<String>, ClientError> {
        let mut line = Vec::new();
        let limit = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX);
        let read = std::io::Read::take(&mut self.input, limit).read_until(b'\n', &mut line);
        let read = read.map_err(|error| ClientError::Local(format!("standard input: {error}")))?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        if read == MAX_LINE_BYTES {
            return Err(self.failed("it is too long"));
        }
        let line = String::from_utf8(line).map_err(|_| self.failed("it is not UTF-8"))?;
        let line = match line.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) if self.number == 1 => rest.to_owned(),
            _ => line,
        };
        Ok(Some(line))
    }

    /// The message of a line as JSON.
    fn json(&self, line: &str) -> Result<String, ClientError> {
        let attributes = match self.kind {
            BatchLines::Texts(attributes) => attributes,
            BatchLines::Objects => {
                let skipped = serde_json::from_str::<IgnoredAny>(line).map(drop);
                // Half of a surrogate pair is found only when the text is decoded.
                let is_json = skipped.is_ok()
                    && !(line.contains("\\u") && serde_json::from_str::<Value>(line).is_err());
                if !is_json {
                    return Err(self.failed("it is not JSON"));
                }
                return Ok(line.to_owned());
            }
        };
        let body = LineBody {
            message: line,
            attributes,
        };
        serde_json::to_string(&body).map_err(ClientError::local)
    }

    /// The error of the last line.
    fn failed(&self, reason: &str) -> ClientError {
        ClientError::Local(format!("line {}: {reason}", self.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &str, kind: &BatchLines) -> Result<Vec<Vec<(u64, String)>>, String> {
        let mut reader = BatchReader::new(input.as_bytes(), kind);
        let mut batches = Vec::new();
        loop {
            let lines = reader.next_batch().map_err(|error| error.to_string())?;
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
            let json = format!(r#"{{"message":"{text}","attributes":{{"k":"v"}}}}"#);
            (number, json)
        };
        let expected = vec![vec![line(1, "a \\\" b"), line(4, "c")]];
        assert_eq!(read("a \" b\r\n\n  \nc", &texts), Ok(expected));
        assert_eq!(read("", &texts), Ok(vec![]));
        let marked = vec![vec![line(1, "a"), line(2, "\u{feff}b")]];
        assert_eq!(read("\u{feff}a\n\u{feff}b", &texts), Ok(marked));
        assert_eq!(read("\u{feff}\n", &texts), Ok(vec![]));
        let objects = read("{\"message\": \"a\"}\n\n[]\n", &BatchLines::Objects);
        let expected = vec![(1, "{\"message\": \"a\"}".to_owned()), (3, "[]".to_owned())];
        assert_eq!(objects, Ok(vec![expected]));
        for broken in ["x", r#"{"message": "\ud800"}"#] {
            let failed = read(&format!("{{}}\n{broken}\n"), &BatchLines::Objects);
            assert_eq!(failed, Err("line 2: it is not JSON".to_owned()), "{broken}");
        }
    }

    #[test]
    fn many_lines_are_split_by_number_and_by_size() {
        let texts = BatchLines::Texts(BTreeMap::new());
        let sizes = |input: &str| {
            let batches = read(input, &texts).unwrap();
            batches.iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&"x\n".repeat(2500)), [1000, 1000, 500]);
        let line = |bytes: usize| format!("{}\n", "x".repeat(bytes - r#"{"message":""}"#.len()));
        // With the line feeds between them four lines fill a batch to the byte.
        let quarter = (MAX_BYTES - 3) / 4;
        let filled = line(quarter).repeat(3) + &line(MAX_BYTES - 3 - 3 * quarter);
        assert_eq!(sizes(&filled.repeat(2)), [4, 4]);
        let over = line(quarter).repeat(3) + &line(MAX_BYTES - 2 - 3 * quarter);
        assert_eq!(sizes(&over), [3, 1]);
        let alone = format!("x\n{}x\n", line(2 * MAX_BYTES));
        assert_eq!(sizes(&alone), [1, 1, 1]);
    }
}
