//! A batch of messages: a JSON array, lines of JSON, or a JSON array of events.

mod items;

use posthorn_domain::{BatchMessage, ContentRules, MessageBatch, Topic, TraceParent};
use serde_json::value::RawValue;

use self::items::{RawItems, raw_items};
use super::{IncomingMessage, event};
use crate::wire::problem::{ApiError, Code, FieldCode, FieldProblem, MAX_FIELDS};

/// The form of a batch in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BatchFormat {
    /// A JSON array of messages.
    Json,
    /// A message on each line.
    Lines,
    /// A JSON array of `CloudEvents` events.
    Events,
}

/// The messages and the problems of the items read so far.
struct BatchCollector<'a> {
    rules: &'a ContentRules,
    topic: Option<&'a Topic>,
    traceparent: Option<&'a TraceParent>,
    problems: Vec<FieldProblem>,
    count: usize,
    messages: Vec<BatchMessage>,
}

/// Parses a batch. `topic` is the path's, which each message may name, `traceparent` that of the request, which
/// events may override, and `problems` are those of the head.
///
/// # Errors
/// `malformed-json`, with the number of the line in [`BatchFormat::Lines`]; `payload-too-large` for too
/// many messages; `unsupported-media-type` for binary data; `validation-failed` with every failing
/// field of every item.
pub(crate) fn parse(
    format: BatchFormat,
    bytes: &[u8],
    rules: &ContentRules,
    topic: Option<&Topic>,
    traceparent: Option<&TraceParent>,
    problems: Vec<FieldProblem>,
) -> Result<MessageBatch, ApiError> {
    let text = std::str::from_utf8(bytes).map_err(|error| not_utf_8(format, bytes, error))?;
    let mut batch = BatchCollector {
        rules,
        topic,
        traceparent,
        problems,
        count: 0,
        messages: Vec::new(),
    };
    match format {
        BatchFormat::Json => batch.add_array(text, BatchCollector::message)?,
        BatchFormat::Events => batch.add_array(text, BatchCollector::event)?,
        BatchFormat::Lines => batch.add_lines(text)?,
    }
    batch.finish()
}

impl BatchCollector<'_> {
    fn add_array(
        &mut self,
        text: &str,
        parse: impl Fn(&Self, &RawValue) -> Result<IncomingMessage, ApiError>,
    ) -> Result<(), ApiError> {
        let Some(RawItems { items, has_more }) = raw_items(text)? else {
            self.problems.push(FieldProblem::whole(FieldCode::NotAList));
            return Err(ApiError::validation(std::mem::take(&mut self.problems)));
        };
        if has_more {
            return Err(too_many());
        }
        for item in items {
            let parsed = parse(self, item);
            self.add(parsed)?;
        }
        Ok(())
    }

    fn add_lines(&mut self, text: &str) -> Result<(), ApiError> {
        for (line, number) in text.lines().zip(1_u64..) {
            if line.trim().is_empty() {
                continue;
            }
            if self.count == MessageBatch::MAX_MESSAGES {
                return Err(too_many());
            }
            let item: Result<&RawValue, _> = serde_json::from_str(line);
            let item = item.map_err(|_| malformed_line(number))?;
            // Half of a surrogate pair is found only when the text is decoded.
            match self.message(item) {
                Err(error) if error.code == Code::MalformedJson => {
                    return Err(malformed_line(number));
                }
                parsed => self.add(parsed)?,
            }
        }
        Ok(())
    }

    fn message(&self, item: &RawValue) -> Result<IncomingMessage, ApiError> {
        let text = item.get();
        if !text.starts_with('{') {
            let whole = FieldProblem::whole(FieldCode::InvalidType);
            return Err(ApiError::validation(vec![whole]));
        }
        IncomingMessage::parse(text.as_bytes(), self.rules, self.topic, Vec::new())
    }

    fn event(&self, item: &RawValue) -> Result<IncomingMessage, ApiError> {
        event::parse_event(item, self.rules, Vec::new())
    }

    /// Adds an item, or its problems.
    fn add(&mut self, parsed: Result<IncomingMessage, ApiError>) -> Result<(), ApiError> {
        let index = self.count;
        self.count += 1;
        match parsed {
            // Once there is a problem, the messages are not needed.
            Ok(_) if !self.problems.is_empty() => {}
            Ok(message) => self.messages.push(BatchMessage {
                content: message.content,
                attributes: message.attributes,
                traceparent: message.traceparent.or_else(|| self.traceparent.cloned()),
            }),
            Err(error) if error.code == Code::ValidationFailed => {
                let left = MAX_FIELDS.saturating_sub(self.problems.len());
                let problems = error.fields.into_iter().take(left);
                self.problems
                    .extend(problems.map(|problem| problem.in_item(index)));
            }
            Err(error) => return Err(in_item(error, index)),
        }
        Ok(())
    }

    fn finish(mut self) -> Result<MessageBatch, ApiError> {
        if self.count == 0 {
            let max = MessageBatch::MAX_MESSAGES;
            self.problems
                .push(FieldProblem::whole(FieldCode::Entries { max }));
        }
        if !self.problems.is_empty() {
            return Err(ApiError::validation(self.problems));
        }
        MessageBatch::parse(self.messages).map_err(|_| too_many())
    }
}

/// The error of a batch of too many messages.
fn too_many() -> ApiError {
    let max = MessageBatch::MAX_MESSAGES;
    ApiError::new(Code::PayloadTooLarge).with_detail(
        format!("В пакете может быть не больше {max} сообщений."),
        format!("A batch has at most {max} messages."),
    )
}

/// The error of the item `index`, whose number its detail gives.
fn in_item(mut error: ApiError, index: usize) -> ApiError {
    error.detail = error.detail.map(|detail| {
        let (russian, english) = *detail;
        Box::new((
            format!("Сообщение {index}: {russian}"),
            format!("Message {index}: {english}"),
        ))
    });
    error
}

/// The error of a body that is not UTF-8.
fn not_utf_8(format: BatchFormat, bytes: &[u8], error: std::str::Utf8Error) -> ApiError {
    match format {
        BatchFormat::Lines => {
            let valid = bytes.iter().take(error.valid_up_to());
            malformed_line(valid.fold(1, |line, byte| line + u64::from(*byte == b'\n')))
        }
        BatchFormat::Json | BatchFormat::Events => ApiError::json_not_utf_8(bytes, error),
    }
}

/// The error of a line that is not JSON, with its number from 1.
fn malformed_line(number: u64) -> ApiError {
    ApiError::new(Code::MalformedJson).with_detail(
        format!("Строка {number} не является JSON."),
        format!("Line {number} is not JSON."),
    )
}

#[cfg(test)]
mod tests;
