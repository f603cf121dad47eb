//! Query parameters: each is parsed once, and the problems of all of them are collected.

use std::time::Duration;

use actix_web::web;
use posthorn_application::PageLimit;
use posthorn_domain::{MessageId, Timestamp, Topic};

use crate::wire::field_problems::FieldProblems;
use crate::wire::problem::{ApiError, FieldCode, FieldProblem};
use crate::wire::time::Since;

/// The largest time of a parameter, in seconds since the Unix epoch.
const MAX_SECONDS: u64 = Timestamp::MAX.as_millis() / 1000;

/// The parameters of a request and their problems.
pub(crate) struct Query {
    values: Vec<(String, String)>,
    problems: FieldProblems,
}

impl Query {
    /// Parses the query; unknown and repeated parameters are problems.
    pub(crate) fn parse(text: &str, known: &[&str]) -> Self {
        Self::of_values(values(text), known)
    }

    /// As [`Query::parse`], but ignores unknown parameters.
    pub(crate) fn parse_known(text: &str, known: &[&str]) -> Self {
        let mut values = values(text);
        values.retain(|(name, _)| known.contains(&name.as_str()));
        Self::of_values(values, known)
    }

    fn of_values(values: Vec<(String, String)>, known: &[&str]) -> Self {
        let names = values.iter().map(|(name, _)| name.as_str());
        let problems = FieldProblems::of_names(FieldProblem::new, names, known);
        Self { values, problems }
    }

    /// The position of a ULID.
    pub(crate) fn id(&mut self, name: &str) -> Option<MessageId> {
        let parse = |text: &str| MessageId::parse_position(text).map_err(|_| FieldCode::MessageId);
        self.read(name, parse)
    }

    /// A time in whole seconds since the Unix epoch.
    pub(crate) fn time(&mut self, name: &str) -> Option<Timestamp> {
        self.read(name, |text| {
            let seconds = text.parse().ok().filter(|seconds| *seconds <= MAX_SECONDS);
            let out_of_range = FieldCode::Range {
                min: 0,
                max: usize::try_from(MAX_SECONDS).unwrap_or(usize::MAX),
            };
            let seconds = seconds.ok_or(out_of_range)?;
            Ok(Timestamp::default().saturating_add(Duration::from_secs(seconds)))
        })
    }

    /// The time of `since`.
    pub(crate) fn since(&mut self) -> Option<Since> {
        self.read("since", |text| Since::parse(text).ok_or(FieldCode::Since))
    }

    /// The name of a topic.
    pub(crate) fn topic(&mut self, name: &str) -> Option<Topic> {
        self.read(name, |text| {
            text.parse().map_err(|_| FieldCode::TopicPattern)
        })
    }

    /// The `limit`, or its default.
    pub(crate) fn limit(&mut self) -> PageLimit {
        let limit = self.read("limit", |text| {
            let limit = text
                .parse()
                .ok()
                .and_then(|limit| PageLimit::parse(limit).ok());
            limit.ok_or(FieldCode::Range {
                min: 1,
                max: PageLimit::MAX.get(),
            })
        });
        limit.unwrap_or(PageLimit::DEFAULT)
    }

    /// True if `order` is `desc`.
    pub(crate) fn newest_first(&mut self) -> bool {
        let order = self.read("order", |text| match text {
            "asc" => Ok(false),
            "desc" => Ok(true),
            _ => Err(FieldCode::Choice("asc, desc")),
        });
        order.unwrap_or(false)
    }

    /// Adds a problem if both `name` and `other` are given.
    pub(crate) fn exclude(&mut self, name: &str, other: &'static str) {
        let has = |wanted: &str| self.values.iter().any(|(name, _)| name == wanted);
        if has(name) && has(other) {
            self.problems.push(name, FieldCode::Excludes(other));
        }
    }

    /// Ends the parsing.
    ///
    /// # Errors
    /// `validation-failed` with every problem.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        self.problems.finish()
    }

    /// As [`Query::finish`], with the value of the parameter `name`, which is required.
    pub(crate) fn finish_with<T>(mut self, name: &str, value: Option<T>) -> Result<T, ApiError> {
        if !self.values.iter().any(|(given, _)| given == name) {
            self.problems.push(name, FieldCode::Required);
        }
        self.problems.finish_with(value)
    }

    fn read<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, FieldCode>) -> Option<T> {
        let (_, text) = self.values.iter().find(|(given, _)| given == name)?;
        self.problems.keep(name, parse(text))
    }
}

/// The names and values of a query.
fn values(text: &str) -> Vec<(String, String)> {
    // Never fails: bytes that are not UTF-8 become U+FFFD, which no parameter allows.
    let values = web::Query::<Vec<(String, String)>>::from_query(text);
    values.map(web::Query::into_inner).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let mut query = Query::parse(text, &["after", "before", "limit", "order"]);
        query.id("after");
        query.id("before");
        query.limit();
        query.newest_first();
        query.exclude("after", "before");
        query.problems.check(expected, text);
    }

    #[test]
    fn every_mistake_is_reported() {
        let id = "01KATQ2J00000000000000001F";
        check("", &[]);
        check(&format!("after={id}&limit=200&order=desc"), &[]);
        check(
            "limit=0&order=up&after=x&page=2",
            &[
                ("page", "unknown-field"),
                ("after", "message-id"),
                ("limit", "range"),
                ("order", "choice"),
            ],
        );
        check("limit=-1", &[("limit", "range")]);
        check("limit=201", &[("limit", "range")]);
        check("limit=1&limit=2", &[("limit", "duplicate-field")]);
        check(&format!("after={id}&before={id}"), &[("after", "excludes")]);
        check("limit=%FF", &[("limit", "range")]);
    }
}
