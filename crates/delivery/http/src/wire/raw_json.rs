//! JSON values as they were sent: their kind, their members, their text, and their value. RFC 8259 limits neither
//! the depth of JSON nor its numbers; `serde_json` does, so both are handled here.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::{Map, RawValue, Value};

use crate::wire::problem::{ApiError, Code};

/// The depth of lists and objects that a member of a body may need; one more, so that the value of a nested member
/// still has its own kind.
const MAX_DEPTH: usize = 2;

/// The kind of a JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RawKind {
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
pub(crate) fn kind(value: &RawValue) -> RawKind {
    match value.get().as_bytes().first() {
        Some(b'n') => RawKind::Null,
        Some(b'"') => RawKind::String,
        Some(b'{' | b'[') => RawKind::Compound,
        _ => RawKind::Scalar,
    }
}

/// The members of an object, repeated ones too; `None` if `value` is no object.
pub(crate) fn members(value: &RawValue) -> Result<Option<Vec<(String, &RawValue)>>, ApiError> {
    if !value.get().starts_with('{') {
        return Ok(None);
    }
    let members: Result<Members<'_>, _> = serde_json::from_str(value.get());
    let members = members.map_err(|_| ApiError::new(Code::MalformedJson))?;
    Ok(Some(members.0))
}

/// The names that an object has more than once, each once; none if `value` is no object.
pub(crate) fn repeated_members(value: &RawValue) -> Result<BTreeSet<String>, ApiError> {
    let mut seen = BTreeSet::new();
    let names = members(value)?.unwrap_or_default().into_iter();
    let names = names.map(|(name, _)| name);
    Ok(names.filter(|name| !seen.insert(name.clone())).collect())
}

/// The text of a string, and any other value as compact JSON: with every digit and in the order in which
/// it was sent.
pub(crate) fn text(value: &RawValue) -> Result<Cow<'_, str>, ApiError> {
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

/// The value. Lists and objects deeper than any body has them are empty objects, and a number that does not fit a
/// double is the greatest double or the least one: neither is valid anywhere.
///
/// # Errors
/// `malformed-json` for a string with half of a surrogate pair.
pub(crate) fn value(value: &RawValue) -> Result<Value, ApiError> {
    value_within(value, MAX_DEPTH)
}

fn value_within(value: &RawValue, depth: usize) -> Result<Value, ApiError> {
    let malformed = |_| ApiError::new(Code::MalformedJson);
    let json = value.get();
    let inner = depth.checked_sub(1);
    match (json.as_bytes().first(), inner) {
        (Some(b'[' | b'{'), None) => Ok(Value::Object(Map::new())),
        (Some(b'['), Some(inner)) => {
            let items: Vec<&RawValue> = serde_json::from_str(json).map_err(malformed)?;
            let items = items.into_iter().map(|item| value_within(item, inner));
            Ok(Value::Array(items.collect::<Result<_, ApiError>>()?))
        }
        (Some(b'{'), Some(inner)) => {
            let members = members(value)?.unwrap_or_default().into_iter();
            let members = members.map(|(name, value)| Ok((name, value_within(value, inner)?)));
            Ok(Value::Object(members.collect::<Result<_, ApiError>>()?))
        }
        (Some(b'-' | b'0'..=b'9'), _) => Ok(serde_json::from_str(json).unwrap_or_else(|_| {
            let is_negative = json.starts_with('-');
            Value::from(if is_negative { f64::MIN } else { f64::MAX })
        })),
        _ => serde_json::from_str(json).map_err(malformed),
    }
}

/// The JSON with 0 in place of each number that does not fit a double, for a body without numbers.
pub(crate) fn without_huge_numbers(json: &str) -> String {
    let mut tame = String::with_capacity(json.len());
    let (mut rest, mut in_string) = (json, false);
    while let Some(first) = rest.chars().next() {
        let is_number = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
        let (length, is_huge) = match first {
            '\\' if in_string => (rest.chars().take(2).map(char::len_utf8).sum(), false),
            '0'..='9' | '-' if !in_string => {
                let length = rest.find(|c| !is_number(c)).unwrap_or(rest.len());
                let number = rest.get(..length).unwrap_or_default().parse();
                (length, number.is_ok_and(f64::is_infinite))
            }
            _ => (first.len_utf8(), false),
        };
        in_string ^= first == '"';
        let (token, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        tame.push_str(if is_huge { "0" } else { token });
        rest = after;
    }
    tame
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
    use serde_json::json;

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
    fn a_value_has_its_kind_however_deep_and_large() {
        let nested = ["{\"a\":".repeat(1000), "1".to_owned(), "}".repeat(1000)].concat();
        for (json, expected) in [
            ("[1, {\"a\": \"b\"}]", json!([1, {"a": "b"}])),
            (
                "{\"a\": 1e400, \"b\": -1e400}",
                json!({"a": f64::MAX, "b": f64::MIN}),
            ),
            ("[[[1]]]", json!([[{}]])),
            (&nested, json!({"a": {"a": {}}})),
        ] {
            let raw: &RawValue = serde_json::from_str(json).unwrap();
            assert_eq!(value(raw).unwrap(), expected, "{json}");
        }
        let half: &RawValue = serde_json::from_str(r#""\ud800""#).unwrap();
        assert_eq!(value(half).unwrap_err().code, Code::MalformedJson);
    }

    #[test]
    fn huge_numbers_outside_of_strings_are_replaced() {
        let json = r#"{"a\"1e400": [1e400, -2.5E+999, 1e30, -1], "\\": "-1e999", "я": 1e400}"#;
        let tame = r#"{"a\"1e400": [0, 0, 1e30, -1], "\\": "-1e999", "я": 0}"#;
        assert_eq!(without_huge_numbers(json), tame);
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
