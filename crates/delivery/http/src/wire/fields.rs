//! The members of a JSON object: each is taken once by its type, and the problems of all of them are
//! collected.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::wire::field_problems::FieldProblems;
use crate::wire::problem::{ApiError, FieldCode, FieldProblem, MAX_FIELDS};
use crate::wire::raw_json;

/// The members of a body and their problems.
pub(crate) struct Fields {
    members: Vec<(String, Value)>,
    problems: FieldProblems,
}

impl Fields {
    /// Parses `bytes`; an empty body has no members. Unknown and repeated members are problems.
    ///
    /// # Errors
    /// `malformed-json`, or `validation-failed` if the body is no object.
    pub(crate) fn parse(bytes: &[u8], known: &[&str]) -> Result<Self, ApiError> {
        let mut repeated = Vec::new();
        let members = if bytes.is_empty() {
            Vec::new()
        } else {
            let body: &RawValue =
                serde_json::from_slice(bytes).map_err(|e| ApiError::malformed_json(&e))?;
            let members = raw_json::members(body)?.ok_or_else(|| {
                ApiError::validation(vec![FieldProblem::whole(FieldCode::InvalidType)])
            })?;
            let value = |(name, value): (String, &RawValue)| {
                for inner in raw_json::repeated_members(value)? {
                    repeated.push(FieldProblem::member(&[&name, &inner], FieldCode::Duplicate));
                }
                Ok((name, raw_json::value(value)?))
            };
            members
                .into_iter()
                .map(value)
                .collect::<Result<_, ApiError>>()?
        };
        let names = members.iter().map(|(name, _)| name.as_str());
        let mut problems = FieldProblems::of_names(problem, names, known);
        for problem in repeated.into_iter().take(MAX_FIELDS) {
            problems.add(problem);
        }
        Ok(Self { members, problems })
    }

    /// Takes a member and parses it; `None` if it is absent or a problem.
    pub(crate) fn take<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(Value) -> Result<T, FieldCode>,
    ) -> Option<T> {
        let place = self.members.iter().position(|(member, _)| member == name)?;
        let (_, value) = self.members.swap_remove(place);
        let parsed = match value {
            Value::Null => Err(FieldCode::Null),
            value => parse(value),
        };
        self.problems.keep(name, parsed)
    }

    /// As [`Fields::take`], for a member that responses have as `null` where it is absent.
    pub(crate) fn take_nullable<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(Value) -> Result<T, FieldCode>,
    ) -> Option<T> {
        let is_null = |(member, value): &(String, Value)| member == name && value.is_null();
        self.members.retain(|member| !is_null(member));
        self.take(name, parse)
    }

    /// As [`Fields::take`], for a member that has to be there.
    pub(crate) fn require<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(Value) -> Result<T, FieldCode>,
    ) -> Option<T> {
        if !self.members.iter().any(|(member, _)| member == name) {
            self.problems.push(name, FieldCode::Required);
        }
        self.take(name, parse)
    }

    /// Takes a list of 1 to `max` values; `None` if it is absent or has a problem. Each value that is a
    /// problem is named by its index, from 0: `name.3`.
    pub(crate) fn take_list<T>(
        &mut self,
        name: &str,
        max: usize,
        parse: impl Fn(Value) -> Result<T, FieldCode>,
    ) -> Option<Vec<T>> {
        let items = self.take(name, list(max, Ok))?;
        let parsed = items.into_iter().map(parse).enumerate();
        let valid = parsed.map(|(index, item)| {
            item.map_err(|code| self.push_at(&[name, &index.to_string()], code))
                .ok()
        });
        // All of them, so that every problem is found.
        let valid: Vec<_> = valid.collect();
        valid.into_iter().collect()
    }

    /// Adds a problem of the member `name`.
    pub(crate) fn push(&mut self, name: &str, code: FieldCode) {
        self.push_at(&[name], code);
    }

    /// Adds a problem of what lies at `path`, the names and indices from the body on.
    pub(crate) fn push_at(&mut self, path: &[&str], code: FieldCode) {
        self.problems.add(FieldProblem::member(path, code));
    }

    /// Ends the parsing, and returns the value of a required member.
    ///
    /// # Errors
    /// `validation-failed` with every problem.
    pub(crate) fn complete<T>(self, value: Option<T>) -> Result<T, ApiError> {
        self.problems.finish_with(value)
    }

    /// Ends the parsing.
    ///
    /// # Errors
    /// `validation-failed` with every problem.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        self.problems.finish()
    }
}

fn problem(name: &str, code: FieldCode) -> FieldProblem {
    FieldProblem::member(&[name], code)
}

/// A number.
pub(crate) fn number(value: Value) -> Result<f64, FieldCode> {
    value.as_f64().ok_or(FieldCode::NotANumber)
}

/// A whole number that is not negative, within `min` and `max`.
pub(crate) fn whole(min: usize, max: usize) -> impl Fn(Value) -> Result<u64, FieldCode> {
    move |value| {
        let number = number(value.clone())?;
        // `5.0` is the same JSON number as `5`.
        let whole = value.as_u64().or_else(|| format!("{number}").parse().ok());
        let is_within =
            |number: &u64| usize::try_from(*number).is_ok_and(|n| (min..=max).contains(&n));
        whole.filter(is_within).ok_or(FieldCode::Range { min, max })
    }
}

/// A text.
pub(crate) fn text(value: Value) -> Result<String, FieldCode> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(FieldCode::NotAString),
    }
}

/// A list of 1 to `max` values.
pub(crate) fn list<T>(
    max: usize,
    parse: impl Fn(Value) -> Result<T, FieldCode>,
) -> impl FnOnce(Value) -> Result<Vec<T>, FieldCode> {
    move |value| match value {
        Value::Array(items) if (1..=max).contains(&items.len()) => {
            items.into_iter().map(parse).collect()
        }
        Value::Array(_) => Err(FieldCode::Entries { max }),
        _ => Err(FieldCode::NotAList),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::problem::Code;

    #[track_caller]
    fn check(body: &str, expected: &[(&str, &str)]) {
        let mut fields = Fields::parse(body.as_bytes(), &["max", "name", "items"]).unwrap();
        fields.take("max", whole(1, 200));
        fields.require("name", text);
        fields.take("items", list(2, number));
        fields.problems.check(expected, body);
    }

    #[test]
    fn every_mistake_is_reported() {
        check(r#"{"max": 200, "name": "a", "items": [1.5]}"#, &[]);
        check(r#"{"max": 2.0, "name": "a"}"#, &[]);
        check("", &[("name", "required")]);
        check(
            r#"{"max": 0, "name": 1, "items": [], "x": {}}"#,
            &[
                ("x", "unknown-field"),
                ("max", "range"),
                ("name", "not-a-string"),
                ("items", "entries"),
            ],
        );
        check(
            r#"{"max": 1.5, "name": null, "items": [1, 2, 3], "max": 2}"#,
            &[
                ("max", "duplicate-field"),
                ("max", "range"),
                ("name", "null"),
                ("items", "entries"),
            ],
        );
        check(
            r#"{"max": "1", "name": "a", "items": ["1"]}"#,
            &[("max", "not-a-number"), ("items", "not-a-number")],
        );
        check(
            r#"{"max": -1, "name": "a", "items": 1}"#,
            &[("max", "range"), ("items", "not-a-list")],
        );
        check(
            r#"{"max": 1e400, "name": "a", "items": [-1e999]}"#,
            &[("max", "range")],
        );
        let nested = ["[".repeat(500), "]".repeat(500)].concat();
        check(
            &format!(r#"{{"max": {nested}, "name": "a", "items": [{nested}]}}"#),
            &[("max", "not-a-number"), ("items", "not-a-number")],
        );
    }

    #[test]
    fn only_an_object_has_members() {
        let nested = ["[".repeat(500), "]".repeat(500)].concat();
        for body in ["[]", "1", "1e400", "\"a\"", "null", "true", &nested] {
            let error = Fields::parse(body.as_bytes(), &[]).err().unwrap();
            assert_eq!(error.code, Code::ValidationFailed, "{body}");
        }
        let unclosed = "[".repeat(500);
        for body in ["{", "{} {}", "\u{feff}{}", "nope", &unclosed] {
            let error = Fields::parse(body.as_bytes(), &[]).err().unwrap();
            assert_eq!(error.code, Code::MalformedJson, "{body}");
        }
    }
}
