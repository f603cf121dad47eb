//! JSON values as they were sent: their kind, their members, and their text.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::wire::problem::{ApiError, Code};

/// The kind of a JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RawKind {
    Null,
    String,
    /// A number, `true` or `false`.
    Scalar,
    /// An object or an array.
    Compound,
}

/// The members of an object, in their order.
struct Members<'a>(Vec<(String, &'a RawValue)>);

/// Visits an object.
struct MembersVisitor;

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

/// The kind of `value`.
pub(super) fn kind(value: &RawValue) -> RawKind {
    match value.get().as_bytes().first() {
        Some(b'n') => RawKind::Null,
        Some(b'"') => RawKind::String,
        Some(b'{' | b'[') => RawKind::Compound,
        _ => RawKind::Scalar,
    }
}

/// The members of an object, repeated ones too; `None` if `value` is no object.
pub(super) fn members(value: &RawValue) -> Result<Option<Vec<(String, &RawValue)>>, ApiError> {
    if !value.get().starts_with('{') {
        return Ok(None);
    }
    let members: Result<Members<'_>, _> = serde_json::from_str(value.get());
    let members = members.map_err(|_| ApiError::new(Code::MalformedJson))?;
    Ok(Some(members.0))
}

/// The text of a string, and any other value as compact JSON: with every digit and in the order in which
/// it was sent.
pub(super) fn text(value: &RawValue) -> Result<Cow<'_, str>, ApiError> {
    match kind(value) {
        RawKind::String => {
            let text: Result<String, _> = serde_json::from_str(value.get());
            text.map(Cow::Owned)
                .map_err(|_| ApiError::new(Code::MalformedJson))
        }
        RawKind::Compound => Ok(compact(value.get()).into()),
        RawKind::Null | RawKind::Scalar => Ok(value.get().into()),
    }
}

/// Valid JSON without white space between its tokens.
fn compact(json: &str) -> String {
    let (mut in_string, mut is_escaped) = (false, false);
    json.chars()
        .filter(|character| {
            let was_in_string = in_string;
            match character {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                '"' => in_string = !in_string,
                _ => {}
            }
            was_in_string || !character.is_ascii_whitespace()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: &str) {
        let value: &RawValue = serde_json::from_str(json).unwrap();
        assert_eq!(text(value).unwrap(), expected, "{json}");
    }

    #[test]
    fn a_string_is_its_text_and_other_json_is_compact() {
        check(r#""a \"b\" \u043f""#, "a \"b\" п");
        check("1.50", "1.50");
        check("12345678901234567890123", "12345678901234567890123");
        check("true", "true");
        check(
            "{ \"b\" : [ 1 , 2.0 ],\n \"a b\": \"x \\\" y\" , \"c\\\\\" : { } }",
            "{\"b\":[1,2.0],\"a b\":\"x \\\" y\",\"c\\\\\":{}}",
        );
    }

    #[test]
    fn only_an_object_has_members() {
        let value: &RawValue = serde_json::from_str(r#"{"a": 1, "a": null}"#).unwrap();
        let found = members(value).unwrap().unwrap();
        let kinds: Vec<_> = found
            .iter()
            .map(|(name, value)| (name.as_str(), kind(value)))
            .collect();
        assert_eq!(kinds, [("a", RawKind::Scalar), ("a", RawKind::Null)]);
        let value: &RawValue = serde_json::from_str("[]").unwrap();
        assert!(members(value).unwrap().is_none());
    }
}
