//! The problems of the fields of one request, collected while they are parsed.

use std::collections::BTreeSet;

use crate::wire::problem::{ApiError, FieldCode, FieldProblem, MAX_FIELDS};

/// The problems found so far.
#[derive(Debug)]
pub(crate) struct FieldProblems {
    problems: Vec<FieldProblem>,
    make: MakeProblem,
}

/// Makes the problem of a field of the request's kind from its name.
type MakeProblem = fn(&str, FieldCode) -> FieldProblem;

impl FieldProblems {
    /// Starts with the names that are unknown or repeated, at most [`MAX_FIELDS`].
    pub(crate) fn of_names<'a>(
        make: MakeProblem,
        names: impl Iterator<Item = &'a str>,
        known: &[&str],
    ) -> Self {
        let mut seen = BTreeSet::new();
        let problems = names.filter_map(|name| {
            let code = if !known.contains(&name) {
                FieldCode::Unknown
            } else if !seen.insert(name) {
                FieldCode::Duplicate
            } else {
                return None;
            };
            Some(make(name, code))
        });
        Self {
            problems: problems.take(MAX_FIELDS).collect(),
            make,
        }
    }

    /// Adds the problem of the field `name`.
    pub(crate) fn push(&mut self, name: &str, code: FieldCode) {
        self.add((self.make)(name, code));
    }

    /// Adds a problem.
    pub(crate) fn add(&mut self, problem: FieldProblem) {
        self.problems.push(problem);
    }

    /// The value, or `None` and its problem.
    pub(crate) fn keep<T>(&mut self, name: &str, parsed: Result<T, FieldCode>) -> Option<T> {
        parsed.map_err(|code| self.push(name, code)).ok()
    }

    /// Ends the parsing.
    ///
    /// # Errors
    /// `validation-failed` with every problem.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        self.finish_with(Some(()))
    }

    /// Ends the parsing with the value of a required field, which is a problem if it is absent.
    ///
    /// # Errors
    /// As [`FieldProblems::finish`].
    pub(crate) fn finish_with<T>(self, value: Option<T>) -> Result<T, ApiError> {
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(ApiError::validation(self.problems)),
        }
    }

    /// Checks the names and codes.
    #[cfg(test)]
    #[track_caller]
    pub(crate) fn check(&self, expected: &[(&str, &str)], context: &str) {
        let found = self
            .problems
            .iter()
            .map(|p| (p.field.as_str(), p.code.as_str()));
        assert_eq!(found.collect::<Vec<_>>(), expected, "{context}");
    }
}
