//! A message to accept. One pass over the JSON body makes the domain's values and collects the errors
//! of all fields: each rule is applied once, by the constructor that owns it.

pub(crate) mod batch;
mod codes;
mod collector;
pub(crate) mod event;
pub(crate) mod form;
mod json;
pub(crate) mod notification;
pub(crate) mod plain;
pub(crate) mod stored;

use std::collections::{BTreeMap, BTreeSet};

use posthorn_domain::{
    Attributes, ContentRules, IdempotencyKey, MessageContent, Topic, TraceParent,
};
use serde::Deserialize;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use self::codes::{attribute_code, content_code};
use self::json::{Json, Name, Read, Seed, Text};
use crate::wire::problem::{ApiError, Code, FieldCode, FieldProblem, MAX_FIELDS};
use crate::wire::raw_json;

/// A message to accept, as the OpenAPI document describes it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
#[schema(example = json!({"message": "The door is open", "topic": "house", "attributes": {"room": "hall"}}))]
pub(crate) struct MessageBody {
    /// The text: trimmed of surrounding white space, then 1 to `MAX_MESSAGE_LENGTH` (1000 by
    /// default) Unicode scalar values, no control characters but line feed and tab.
    #[schema(min_length = 1)]
    message: String,
    /// The topic; `inbox` when absent.
    #[schema(nullable = false, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")]
    topic: Option<String>,
    /// Further data: at most 16 entries, keys `[a-z0-9._-]{1,64}`, values of at most 256 characters.
    #[schema(schema_with = attributes_schema)]
    attributes: Option<BTreeMap<String, String>>,
}

/// The fields of a form, as the OpenAPI document describes them.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct FormBody {
    /// The text, by the rules of a JSON message.
    #[schema(min_length = 1)]
    message: String,
    /// Every other field is an attribute, unless its name begins with `_`.
    #[serde(flatten)]
    attributes: BTreeMap<String, String>,
}

/// The domain's values of a valid body.
#[derive(Debug)]
pub(crate) struct IncomingMessage {
    pub(crate) content: MessageContent,
    pub(crate) topic: Option<Topic>,
    pub(crate) attributes: Attributes,
    /// The key of an event; the request's own key overrides it.
    pub(crate) event_key: Option<IdempotencyKey>,
    /// The place of an event in a trace; it overrides the request's own.
    pub(crate) traceparent: Option<TraceParent>,
}

impl IncomingMessage {
    /// A message whose topic only the path names.
    fn of(content: MessageContent, attributes: Attributes) -> Self {
        Self {
            content,
            topic: None,
            attributes,
            event_key: None,
            traceparent: None,
        }
    }

    /// Parses `bytes`. `topic` is the path's, which the body's must equal, and `problems` are those of
    /// the request's head.
    ///
    /// # Errors
    /// `malformed-json`, or `validation-failed` with every failing field.
    pub(crate) fn parse(
        bytes: &[u8],
        rules: &ContentRules,
        topic: Option<&Topic>,
        problems: Vec<FieldProblem>,
    ) -> Result<Self, ApiError> {
        let malformed = || ApiError::new(Code::MalformedJson);
        // serde_json does not look into the strings that it skips: all of the body has to be UTF-8.
        let text =
            std::str::from_utf8(bytes).map_err(|error| ApiError::json_not_utf_8(bytes, error))?;
        let parser = Parser {
            rules,
            path_topic: topic,
            problems,
            content: None,
            topic: None,
            attributes: Attributes::default(),
        };
        let (parser, body) = match parser.clone().read(text) {
            Ok(read) => read,
            // The body is malformed, or it is JSON with a number that serde_json does not read.
            Err(error) => {
                let tame = raw_json::without_huge_numbers(text);
                let is_same = tame == text;
                // In another text the place would be another.
                let place = |_| is_same.then(|| ApiError::malformed_json(&error));
                let read = parser.read(&tame).map_err(place);
                read.map_err(|error| error.unwrap_or_else(malformed))?
            }
        };
        match body {
            Json::Wanted(()) => parser.finish(),
            Json::Null => Err(malformed()),
            Json::Other => Err(ApiError::validation(vec![FieldProblem::whole(
                FieldCode::InvalidType,
            )])),
        }
    }
}

/// The values and the problems of the members read so far.
#[derive(Clone)]
struct Parser<'a> {
    rules: &'a ContentRules,
    path_topic: Option<&'a Topic>,
    problems: Vec<FieldProblem>,
    content: Option<MessageContent>,
    topic: Option<Topic>,
    attributes: Attributes,
}

/// The members of a message.
const KNOWN_MEMBERS: [&str; 3] = ["message", "topic", "attributes"];

/// Reads the body's members.
struct MessageMembers<'p, 'a>(&'p mut Parser<'a>);

/// Reads the entries of the attributes.
struct AttributeEntries<'p, 'a>(&'p mut Parser<'a>);

impl Parser<'_> {
    /// Reads the members of a body.
    fn read(mut self, text: &str) -> serde_json::Result<(Self, Json<()>)> {
        let mut json = serde_json::Deserializer::from_str(text);
        let body = Seed(MessageMembers(&mut self)).deserialize(&mut json)?;
        json.end()?;
        Ok((self, body))
    }

    /// The value of the string `field`, or its problem.
    fn keep<T, E>(
        &mut self,
        field: &str,
        value: Json<Result<T, E>>,
        code: impl FnOnce(E) -> FieldCode,
    ) -> Option<T> {
        let code = match value {
            Json::Wanted(Ok(value)) => return Some(value),
            Json::Wanted(Err(error)) => code(error),
            Json::Null => FieldCode::Null,
            Json::Other => FieldCode::NotAString,
        };
        self.push(field, code);
        None
    }

    fn push(&mut self, field: &str, code: FieldCode) {
        self.problems.push(FieldProblem::member(&[field], code));
    }

    /// The body's topic has to be the path's.
    fn check_topic(&mut self) {
        let (path, body) = (self.path_topic, self.topic.as_ref());
        if path.is_some() && body.is_some() && path != body {
            self.push("topic", FieldCode::TopicMismatch);
        }
    }

    /// Adds a problem of which a body may have thousands, up to a limit and each once.
    fn note(&mut self, path: &[&str], code: FieldCode) {
        let problem = FieldProblem::member(path, code);
        if self.problems.len() < MAX_FIELDS && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn finish(mut self) -> Result<IncomingMessage, ApiError> {
        let is_flagged = |field| self.problems.iter().any(|problem| problem.field == field);
        if self.content.is_none() && !is_flagged("message") {
            self.push("message", FieldCode::Required);
        }
        match self.content {
            Some(content) if self.problems.is_empty() => Ok(IncomingMessage {
                content,
                topic: self.topic,
                attributes: self.attributes,
                event_key: None,
                traceparent: None,
            }),
            _ => Err(ApiError::validation(self.problems)),
        }
    }
}

impl<'de> Read<'de> for MessageMembers<'_, '_> {
    type Output = ();

    fn object<A: MapAccess<'de>>(self, mut members: A) -> Result<Json<()>, A::Error> {
        let Self(parser) = self;
        let rules = parser.rules;
        // The names so far: of those that a message has, and others.
        let (mut seen, mut others) = ([false; KNOWN_MEMBERS.len()], BTreeSet::new());
        while let Some(Name(name)) = members.next_key()? {
            let name = &*name;
            let known = KNOWN_MEMBERS.iter().zip(&mut seen);
            let mut known = known.filter(|(known, _)| **known == name);
            let is_repeated = match known.next() {
                Some((_, is_seen)) => std::mem::replace(is_seen, true),
                None => !others.insert(name.to_owned()),
            };
            // Of a repeated name the first member counts.
            if is_repeated {
                members.next_value::<IgnoredAny>()?;
                parser.note(&[name], FieldCode::Duplicate);
                continue;
            }
            // The members of a message are read however many problems there are by then: a message
            // that is there must not be reported as missing.
            match name {
                "message" => {
                    let parse = Text(|text: &str| MessageContent::parse(text, rules));
                    let value = members.next_value_seed(Seed(parse))?;
                    parser.content = parser.keep(name, value, |error| content_code(error, rules));
                }
                "topic" => {
                    let value = members.next_value_seed(Seed(Text(Topic::parse)))?;
                    parser.topic = parser.keep(name, value, |_| FieldCode::TopicPattern);
                    parser.check_topic();
                }
                "attributes" => match members.next_value_seed(Seed(AttributeEntries(parser)))? {
                    Json::Wanted(()) => {}
                    Json::Null => parser.push(name, FieldCode::Null),
                    Json::Other => parser.push(name, FieldCode::NotAnObject),
                },
                _ => {
                    members.next_value::<IgnoredAny>()?;
                    parser.note(&[name], FieldCode::Unknown);
                }
            }
        }
        Ok(Json::Wanted(()))
    }
}

impl<'de> Read<'de> for AttributeEntries<'_, '_> {
    type Output = ();

    fn object<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json<()>, A::Error> {
        let Self(parser) = self;
        let mut seen = BTreeSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if seen.contains(&key) {
                entries.next_value::<IgnoredAny>()?;
                parser.note(&["attributes", &key], FieldCode::Duplicate);
                continue;
            }
            let insert = Text(|value: &str| parser.attributes.insert(key.as_str(), value));
            match entries.next_value_seed(Seed(insert))? {
                Json::Wanted(Ok(())) => {}
                Json::Wanted(Err(error)) => {
                    parser.note(&["attributes", &key], attribute_code(&error));
                }
                Json::Null => parser.note(&["attributes", &key], FieldCode::Null),
                Json::Other => parser.note(&["attributes", &key], FieldCode::NotAString),
            }
            seen.insert(key);
        }
        Ok(Json::Wanted(()))
    }
}

/// The schema of the attributes, with their limits.
fn attributes_schema() -> Object {
    let key = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^[a-z0-9._-]{1,64}$"));
    let value = ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(Attributes::MAX_VALUE_LENGTH))
        .pattern(Some(r"^[^\u0000-\u0008\u000B-\u001F\u007F-\u009F]*$"));
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(
            "Further data: values hold no control characters but line feed and tab.",
        ))
        .max_properties(Some(Attributes::MAX_ENTRIES))
        .property_names(Some(key))
        .additional_properties(Some(value))
        .build()
}

#[cfg(test)]
mod tests;
