//! The collector of a message from named fields: every media type but JSON goes through it, so that all
//! have the same rules and the same errors.

use std::borrow::Cow;
use std::collections::BTreeMap;

use posthorn_domain::{AttributeError, Attributes, ContentRules, MessageContent};

use super::codes::{attribute_code, content_code};
use crate::wire::problem::{ApiError, FieldCode, FieldProblem, MAX_FIELDS};

/// The values and the problems of the fields read so far.
pub(crate) struct FieldCollector<'a> {
    rules: &'a ContentRules,
    /// True if the fields are members of a JSON body.
    is_json: bool,
    problems: Vec<FieldProblem>,
    /// True if the text was given, valid or not.
    has_text: bool,
    content: Option<MessageContent>,
    attributes: Attributes,
    /// The attribute keys with the names of their fields as they were sent.
    names: BTreeMap<String, String>,
}

impl<'a> FieldCollector<'a> {
    /// A collector without fields; `problems` are those of the head.
    pub(crate) fn new(rules: &'a ContentRules, problems: Vec<FieldProblem>) -> Self {
        Self {
            rules,
            is_json: false,
            problems,
            has_text: false,
            content: None,
            attributes: Attributes::default(),
            names: BTreeMap::new(),
        }
    }

    /// As [`FieldCollector::new`], for the members of a JSON body.
    pub(crate) fn in_json(rules: &'a ContentRules, problems: Vec<FieldProblem>) -> Self {
        Self {
            is_json: true,
            ..Self::new(rules, problems)
        }
    }

    /// Adds the text, from a field of this name.
    pub(crate) fn text(&mut self, field: &str, text: &str) {
        if self.has_text {
            self.field_problem(field, FieldCode::Duplicate);
            return;
        }
        self.has_text = true;
        match MessageContent::parse(&unix_lines(text), self.rules) {
            Ok(content) => self.content = Some(content),
            Err(error) => {
                let code = content_code(error, self.rules);
                self.field_problem(field, code);
            }
        }
    }

    /// Adds an attribute, from a field of this name.
    pub(crate) fn attribute(&mut self, field: &str, key: &str, value: &str) {
        if let Some(earlier) = self.names.get(key) {
            let code = if earlier == field {
                FieldCode::Duplicate
            } else {
                FieldCode::KeyCollision
            };
            self.field_problem(field, code);
            return;
        }
        if let Err(error) = self.attributes.insert(key, &*unix_lines(value)) {
            self.field_problem(field, attribute_code(&error));
            // A name that is no key cannot collide, and a body may have thousands of them.
            if matches!(error, AttributeError::Key | AttributeError::TooMany) {
                return;
            }
        }
        self.names.insert(key.to_owned(), field.to_owned());
    }

    /// Adds a problem of a field: of a body with thousands, the first hundred, each once.
    pub(crate) fn field_problem(&mut self, field: &str, code: FieldCode) {
        let problem = self.problem_of(field, code);
        if self.problems.len() < MAX_FIELDS && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// The message; `text_field` is the field that is missing if there was no text.
    ///
    /// # Errors
    /// `validation-failed` with every failing field.
    pub(crate) fn finish(
        mut self,
        text_field: &str,
    ) -> Result<(MessageContent, Attributes), ApiError> {
        if !self.has_text {
            let missing = self.problem_of(text_field, FieldCode::Required);
            self.problems.insert(0, missing);
        }
        match self.content {
            Some(content) if self.problems.is_empty() => Ok((content, self.attributes)),
            _ => Err(ApiError::validation(self.problems)),
        }
    }

    fn problem_of(&self, field: &str, code: FieldCode) -> FieldProblem {
        if self.is_json {
            FieldProblem::member(&[field], code)
        } else {
            FieldProblem::new(field, code)
        }
    }
}

/// The text with the line ends CRLF and CR as LF.
fn unix_lines(text: &str) -> Cow<'_, str> {
    if text.contains('\r') {
        text.replace("\r\n", "\n").replace('\r', "\n").into()
    } else {
        text.into()
    }
}
