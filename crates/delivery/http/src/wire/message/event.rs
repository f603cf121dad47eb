//! A message from a `CloudEvents` 1.0 event, in structured mode (JSON) or in binary mode (HTTP headers).
//! The event's data is the text, its attributes are those of the message as `ce.NAME`.

use std::borrow::Cow;
use std::collections::BTreeSet;

use percent_encoding::percent_decode;
use posthorn_application::digest_parts;
use posthorn_domain::{ContentRules, IdempotencyKey, TraceParent};
use serde_json::value::RawValue;

use super::IncomingMessage;
use super::collector::FieldCollector;
use crate::wire::problem::{ApiError, Code, FieldCode, FieldProblem};
use crate::wire::raw_json::{self, RawKind};

/// The attributes that every event has.
const REQUIRED: [&str; 4] = ["specversion", "id", "source", "type"];
/// The only version.
const VERSION: &str = "1.0";
/// The field of the text.
const DATA: &str = "data";

/// The kind of the data of an event in binary mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventData {
    Json,
    Text,
}

/// The attributes of an event read so far.
struct EventFields<'a> {
    fields: FieldCollector<'a>,
    /// The beginning of the names as they were sent.
    prefix: &'static str,
    seen: BTreeSet<String>,
    id: String,
    source: String,
    /// The extension of that name, if it is valid.
    traceparent: Option<TraceParent>,
}

/// Parses an event in structured mode. `problems` are those of the head.
///
/// # Errors
/// `malformed-json`, `unsupported-media-type` for binary data, or `validation-failed` with every
/// failing field.
pub(crate) fn parse_structured(
    bytes: &[u8],
    rules: &ContentRules,
    problems: Vec<FieldProblem>,
) -> Result<IncomingMessage, ApiError> {
    let text = std::str::from_utf8(bytes).map_err(|e| ApiError::json_not_utf_8(bytes, e))?;
    let event: &RawValue =
        serde_json::from_str(text).map_err(|error| ApiError::malformed_json(&error))?;
    parse_event(event, rules, problems)
}

/// As [`parse_structured`], for a JSON value that is part of another.
pub(crate) fn parse_event(
    event: &RawValue,
    rules: &ContentRules,
    problems: Vec<FieldProblem>,
) -> Result<IncomingMessage, ApiError> {
    let Some(members) = raw_json::members(event)? else {
        let whole = FieldProblem::whole(FieldCode::InvalidType);
        return Err(ApiError::validation(vec![whole]));
    };
    let mut event = EventFields::new("", FieldCollector::in_json(rules, problems));
    for (name, value) in members {
        let kind = raw_json::kind(value);
        if kind == RawKind::Null {
            continue;
        }
        match name.as_str() {
            "data_base64" => return Err(binary_data()),
            DATA if event.is_new(DATA) => event.fields.text(DATA, &raw_json::text(value)?),
            _ if kind == RawKind::Compound => event.problem(&name, FieldCode::NotAString),
            _ => event.add(&name, &raw_json::text(value)?),
        }
    }
    event.finish()
}

/// Parses an event in binary mode: `headers` are all headers of the request. `problems` are those of
/// the head.
///
/// # Errors
/// `malformed-json` or `malformed-body`, or `validation-failed` with every failing field.
pub(crate) fn parse_binary<'h>(
    headers: impl Iterator<Item = (&'h str, &'h [u8])>,
    bytes: &[u8],
    data: EventData,
    rules: &ContentRules,
    problems: Vec<FieldProblem>,
) -> Result<IncomingMessage, ApiError> {
    let mut event = EventFields::new("ce-", FieldCollector::new(rules, problems));
    for (name, value) in headers {
        let Some(name) = name.strip_prefix("ce-") else {
            continue;
        };
        // Quotes first, then percent-encoding (HTTP protocol binding, 3.1.3.2).
        match percent_decode(&unquoted(value)).decode_utf8() {
            Ok(value) => event.add(name, &value),
            Err(_) => event.problem(name, FieldCode::NotUtf8),
        }
    }
    let text = std::str::from_utf8(bytes).map_err(|error| match data {
        EventData::Json => ApiError::json_not_utf_8(bytes, error),
        EventData::Text => ApiError::new(Code::MalformedBody),
    })?;
    if let Some(text) = data_text(text, data)? {
        event.fields.text(DATA, &text);
    }
    event.finish()
}

/// The content of a value that is a quoted string as a whole (RFC 9110, 5.6.4); any other value as it is.
fn unquoted(value: &[u8]) -> Cow<'_, [u8]> {
    let Some(quoted) = value.strip_prefix(b"\"") else {
        return value.into();
    };
    let mut content = Vec::with_capacity(quoted.len());
    let mut bytes = quoted.iter().copied();
    loop {
        match bytes.next() {
            Some(b'"') if bytes.len() == 0 => return content.into(),
            Some(b'\\') => content.extend(bytes.next()),
            // There is no end, or something behind it.
            None | Some(b'"') => return value.into(),
            Some(byte) => content.push(byte),
        }
    }
}

/// The text of the data of an event in binary mode; `None` without data.
fn data_text(text: &str, data: EventData) -> Result<Option<Cow<'_, str>>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    if data == EventData::Text {
        return Ok(Some(text.into()));
    }
    let value: &RawValue =
        serde_json::from_str(text).map_err(|error| ApiError::malformed_json(&error))?;
    if raw_json::kind(value) == RawKind::Null {
        return Ok(None);
    }
    raw_json::text(value).map(Some)
}

/// The error of an event whose data is binary.
pub(crate) fn binary_data() -> ApiError {
    ApiError::new(Code::UnsupportedMediaType).with_detail(
        "Двоичные данные события (data_base64 или иной тип) не принимаются: нужны JSON или текст в UTF-8.",
        "Binary data of an event (data_base64, or of another type) is not accepted: send JSON or text in UTF-8.",
    )
}

impl<'a> EventFields<'a> {
    fn new(prefix: &'static str, fields: FieldCollector<'a>) -> Self {
        Self {
            fields,
            prefix,
            seen: BTreeSet::new(),
            id: String::new(),
            source: String::new(),
            traceparent: None,
        }
    }

    /// True if no attribute of this name was added before; else that is a problem.
    fn is_new(&mut self, name: &str) -> bool {
        let is_new = self.seen.insert(name.to_owned());
        if !is_new {
            self.problem(name, FieldCode::Duplicate);
        }
        is_new
    }

    fn problem(&mut self, name: &str, code: FieldCode) {
        let field = [self.prefix, name].concat();
        self.fields.field_problem(&field, code);
    }

    /// Adds a context attribute; one without a value is absent.
    fn add(&mut self, name: &str, value: &str) {
        if value.is_empty() && REQUIRED.contains(&name) || !self.is_new(name) {
            return;
        }
        match name {
            "specversion" if value == VERSION => return,
            "specversion" => return self.problem(name, FieldCode::Choice(VERSION)),
            // The kind of the data decides how it is read, and is not kept.
            "datacontenttype" => return,
            "id" => value.clone_into(&mut self.id),
            "source" => value.clone_into(&mut self.source),
            "traceparent" => self.traceparent = TraceParent::parse(value).ok(),
            _ => {}
        }
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if !name.bytes().all(is_name) {
            return self.problem(name, FieldCode::KeyPattern);
        }
        let field = [self.prefix, name].concat();
        self.fields
            .attribute(&field, &["ce.", name].concat(), value);
    }

    fn finish(mut self) -> Result<IncomingMessage, ApiError> {
        for name in REQUIRED {
            if !self.seen.contains(name) {
                self.problem(name, FieldCode::Required);
            }
        }
        let (content, attributes) = self.fields.finish(DATA)?;
        Ok(IncomingMessage {
            event_key: event_key(&self.source, &self.id),
            traceparent: self.traceparent,
            ..IncomingMessage::of(content, attributes)
        })
    }
}

/// The idempotency key of an event: the digest of its source and its id.
fn event_key(source: &str, id: &str) -> Option<IdempotencyKey> {
    IdempotencyKey::parse(&digest_parts([source, id]).to_hex()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_value_is_its_content() {
        for (value, expected) in [
            (r#""a b""#, "a b"),
            (r#""a \"b\" \\""#, r#"a "b" \"#),
            (r#""""#, ""),
            (r#""a"#, r#""a"#),
            (r#""a\""#, r#""a\""#),
            (r#""a" b"#, r#""a" b"#),
            (r#"a "b""#, r#"a "b""#),
            (r"a\b", r"a\b"),
            ("", ""),
        ] {
            let found = unquoted(value.as_bytes());
            assert_eq!(found.as_ref(), expected.as_bytes(), "{value}");
        }
    }

    #[test]
    fn keys_of_different_events_differ() {
        let key = |source, id| event_key(source, id).unwrap();
        assert_eq!(
            key("/a", "1").as_str(),
            "05c7d207fe7870cfddff46e359890e569b2443d676cd6830125d0f5a27dacccf",
            "stores keep it"
        );
        assert_eq!(key("/a", "1"), key("/a", "1"));
        assert_ne!(key("/a", "11"), key("/a1", "1"));
        assert_ne!(key("/a", "1"), key("1", "/a"));
    }
}
