//! The wire form of a message to accept, and its rules.

mod json;
pub(crate) mod stored;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use garde::Validate;
use garde::error::Path;
use posthorn_domain::{
    AttributeError, Attributes, ContentError, ContentRules, MessageContent, Topic,
};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use self::json::Json;
use crate::wire::problem::{ApiError, Code, FieldCode, FieldProblem, MAX_FIELDS};

/// The field that stands for the body as a whole, as the original named it.
const WHOLE: &str = "_schema";

/// A message to accept.
#[derive(Debug, Default, Deserialize, Validate, ToSchema)]
#[garde(context(ContentRules))]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"message": "The door is open", "topic": "house", "attributes": {"room": "hall"}}))]
pub(crate) struct MessageBody {
    /// The text: trimmed of surrounding white space, then 1 to `MAX_MESSAGE_LENGTH` (1000 by
    /// default) Unicode scalar values, no control characters but line feed and tab.
    #[serde(default, deserialize_with = "present")]
    #[garde(inner(custom(check_content)))]
    #[schema(required = true, value_type = String, min_length = 1)]
    message: Option<String>,
    /// Where it goes; `inbox` when absent.
    #[serde(default, deserialize_with = "present")]
    #[garde(inner(custom(check_topic)))]
    #[schema(value_type = Option<String>, nullable = false, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")]
    topic: Option<String>,
    /// What else to say about it: at most 16 entries, keys `[a-z0-9._-]{1,64}`, values of at most
    /// 256 characters.
    #[serde(default, deserialize_with = "present")]
    #[garde(dive)]
    #[schema(schema_with = attributes_schema)]
    attributes: Option<AttributesBody>,
}

/// The attributes as sent; no key may be there twice.
#[derive(Debug, Default)]
struct AttributesBody(BTreeMap<String, String>);

/// The domain's values of a body that breaks no rule.
#[derive(Debug)]
pub(crate) struct ValidBody {
    pub(crate) content: MessageContent,
    pub(crate) topic: Option<Topic>,
    pub(crate) attributes: Attributes,
}

/// The schema of the attributes, with their limits.
fn attributes_schema() -> Object {
    let key = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^[a-z0-9._-]{1,64}$"));
    let value = ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(Attributes::MAX_VALUE_LENGTH));
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(
            "What else to say about it: values hold no control character but line feed and tab.",
        ))
        .max_properties(Some(Attributes::MAX_ENTRIES))
        .property_names(Some(key))
        .additional_properties(Some(value))
        .build()
}

/// A member that is there has a value: `null` is none.
fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

impl MessageBody {
    /// Parses `bytes` and applies every rule; `topic` is the path's, which the body's must equal,
    /// and `problems` are those of the request's head.
    ///
    /// # Errors
    /// `malformed-json`, or `validation-failed` with every failing field.
    pub(crate) fn parse(
        bytes: &[u8],
        rules: &ContentRules,
        topic: Option<&Topic>,
        mut problems: Vec<FieldProblem>,
    ) -> Result<ValidBody, ApiError> {
        let body = Self::read(bytes, &mut problems)?;
        let is_flagged = |problems: &[FieldProblem], field: &str| {
            problems.iter().any(|problem| problem.field == field)
        };
        if body.message.is_none() && !is_flagged(&problems, "message") {
            problems.push(FieldProblem::new("message", FieldCode::Required));
        }
        if let Err(report) = body.validate_with(rules) {
            let found = report.iter().map(|(path, error)| FieldProblem {
                field: path.to_string(),
                code: code_of(error.message(), rules),
            });
            let room = MAX_FIELDS.saturating_sub(problems.len());
            problems.extend(found.take(room));
        }
        let differs = topic.is_some_and(|topic| {
            let given = body.topic.as_deref();
            given.is_some_and(|given| given != topic.as_str())
        });
        if differs && !is_flagged(&problems, "topic") {
            problems.push(FieldProblem::new("topic", FieldCode::TopicMismatch));
        }
        if !problems.is_empty() {
            return Err(ApiError::validation(problems));
        }
        body.into_domain(rules).ok_or_else(|| {
            // Each rule was applied just now; that one fails again cannot be the client's fault.
            tracing::error!("a validated body is not valid");
            ApiError::new(Code::Internal)
        })
    }

    /// Most bodies have members of the right types; of any other, every wrong one is looked for.
    fn read(bytes: &[u8], problems: &mut Vec<FieldProblem>) -> Result<Self, ApiError> {
        // Serde would take a list for the members in their order; only an object is a message.
        if bytes.trim_ascii_start().starts_with(b"{")
            && let Ok(body) = serde_json::from_slice(bytes)
        {
            return Ok(body);
        }
        find_problems(bytes, problems)
    }

    fn into_domain(self, rules: &ContentRules) -> Option<ValidBody> {
        let content = MessageContent::parse(&self.message?, rules).ok()?;
        let topic = self
            .topic
            .map(|topic| Topic::parse(&topic))
            .transpose()
            .ok()?;
        let entries = self.attributes.unwrap_or_default().0;
        let attributes = Attributes::parse(entries).ok()?;
        Some(ValidBody {
            content,
            topic,
            attributes,
        })
    }
}

/// Finds every member of a wrong type, and gives what is left of the body.
fn find_problems(bytes: &[u8], problems: &mut Vec<FieldProblem>) -> Result<MessageBody, ApiError> {
    let malformed = || ApiError::new(Code::MalformedJson);
    let members = match serde_json::from_slice(bytes).map_err(|_| malformed())? {
        Json::Object(members) => members,
        Json::Null => return Err(malformed()),
        Json::Text(_) | Json::Other => return Err(ApiError::field(WHOLE, FieldCode::InvalidType)),
    };
    let mut body = MessageBody::default();
    // However many unknown ones there are, the members of a message are looked at: what is there is
    // not missing.
    for (name, value) in without_duplicates("", members, problems) {
        match name.as_str() {
            "message" => body.message = text(&name, value, problems),
            "topic" => body.topic = text(&name, value, problems),
            "attributes" => body.attributes = attributes(value, problems),
            _ if problems.len() >= MAX_FIELDS => {}
            _ => problems.push(FieldProblem::new(&name, FieldCode::Unknown)),
        }
    }
    Ok(body)
}

/// The first member of each name; the names that are there again are problems.
fn without_duplicates(
    prefix: &str,
    members: Vec<(String, Json)>,
    problems: &mut Vec<FieldProblem>,
) -> BTreeMap<String, Json> {
    let mut kept = BTreeMap::new();
    for (name, value) in members {
        match kept.entry(name) {
            Entry::Vacant(place) => {
                place.insert(value);
            }
            Entry::Occupied(place) => {
                let field = format!("{prefix}{}", place.key());
                let problem = FieldProblem::new(&field, FieldCode::Duplicate);
                if problems.len() < MAX_FIELDS && !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
        }
    }
    kept
}

fn text(field: &str, value: Json, problems: &mut Vec<FieldProblem>) -> Option<String> {
    let code = match value {
        Json::Text(text) => return Some(text),
        Json::Null => FieldCode::Null,
        Json::Object(_) | Json::Other => FieldCode::NotAString,
    };
    problems.push(FieldProblem::new(field, code));
    None
}

fn attributes(value: Json, problems: &mut Vec<FieldProblem>) -> Option<AttributesBody> {
    let code = match value {
        Json::Object(members) => {
            let mut entries = BTreeMap::new();
            for (key, value) in without_duplicates("attributes.", members, problems) {
                if problems.len() >= MAX_FIELDS {
                    break;
                }
                let field = format!("attributes.{key}");
                if let Some(text) = text(&field, value, problems) {
                    entries.insert(key, text);
                }
            }
            return Some(AttributesBody(entries));
        }
        Json::Null => FieldCode::Null,
        Json::Text(_) | Json::Other => FieldCode::NotAnObject,
    };
    problems.push(FieldProblem::new("attributes", code));
    None
}

impl<'de> Deserialize<'de> for AttributesBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(AttributesVisitor)
    }
}

struct AttributesVisitor;

impl<'de> Visitor<'de> for AttributesVisitor {
    type Value = AttributesBody;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<AttributesBody, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some((key, value)) = members.next_entry()? {
            if entries.insert(key, value).is_some() {
                return Err(A::Error::custom("a key is there twice"));
            }
        }
        Ok(AttributesBody(entries))
    }
}

fn check_content(text: &str, rules: &ContentRules) -> garde::Result {
    rules.check(text).map_err(|error| {
        garde::Error::new(match error {
            ContentError::Empty | ContentError::TooLong { .. } => "content-length",
            ContentError::ControlCharacter(_) => "control-character",
            ContentError::OutsideCharset(_) => "charset",
        })
    })
}

fn check_topic(name: &str, _rules: &ContentRules) -> garde::Result {
    Topic::parse(name)
        .map(drop)
        .map_err(|_| garde::Error::new("topic-pattern"))
}

impl Validate for AttributesBody {
    type Context = ContentRules;

    fn validate_into(
        &self,
        _rules: &Self::Context,
        parent: &mut dyn FnMut() -> Path,
        report: &mut garde::Report,
    ) {
        if self.0.len() > Attributes::MAX_ENTRIES {
            report.append(parent(), garde::Error::new("too-many"));
        }
        for (key, value) in &self.0 {
            let problem = match Attributes::check_entry(key, value) {
                Ok(()) | Err(AttributeError::TooMany) => continue,
                Err(AttributeError::Key) => "key-pattern",
                Err(AttributeError::ValueLength) => "value-length",
                Err(AttributeError::ValueControlCharacter(_)) => "control-character",
            };
            report.append(parent().join(key.as_str()), garde::Error::new(problem));
        }
    }
}

/// garde carries texts; these are the ones of the checks above.
fn code_of(problem: &str, rules: &ContentRules) -> FieldCode {
    match problem {
        "content-length" => FieldCode::Length {
            min: 1,
            max: rules.max_length,
        },
        "charset" => FieldCode::Charset,
        "topic-pattern" => FieldCode::TopicPattern,
        "too-many" => FieldCode::TooMany {
            max: Attributes::MAX_ENTRIES,
        },
        "key-pattern" => FieldCode::KeyPattern,
        "value-length" => FieldCode::Length {
            min: 0,
            max: Attributes::MAX_VALUE_LENGTH,
        },
        _ => FieldCode::ControlCharacter,
    }
}

#[cfg(test)]
mod tests;
