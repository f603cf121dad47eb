//! The fields of spans, stored cheaply: few spans get an event whose line needs them.

use std::fmt::{Debug, Write};
use std::ops::Range;

use tracing::field::{Field, Visit};
use tracing::span::Attributes;

/// The texts of a span's fields are seldom longer, in bytes.
const USUAL_LENGTH: usize = 160;

/// The fields that a span is created with.
pub(super) struct SpanFields {
    values: Vec<(Field, Value)>,
    /// All texts, one after the other, so that they need one allocation.
    texts: String,
}

/// A value; a text is a range of `texts`.
enum Value {
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Bool(bool),
    Text(Range<usize>),
    Debug(Range<usize>),
}

/// A text whose `Debug` form is the text itself, as it was formatted when the span was created.
struct Preformatted<'a>(&'a str);

impl SpanFields {
    pub(super) fn of(attributes: &Attributes<'_>) -> Self {
        let mut fields = Self {
            values: Vec::with_capacity(attributes.fields().len()),
            texts: String::with_capacity(USUAL_LENGTH),
        };
        attributes.record(&mut fields);
        fields
    }

    /// Passes every field to `visitor`, in their order.
    pub(super) fn record(&self, visitor: &mut dyn Visit) {
        let text = |range: &Range<usize>| self.texts.get(range.clone()).unwrap_or_default();
        for (field, value) in &self.values {
            match value {
                Value::Signed(value) => visitor.record_i64(field, *value),
                Value::Unsigned(value) => visitor.record_u64(field, *value),
                Value::Float(value) => visitor.record_f64(field, *value),
                Value::Bool(value) => visitor.record_bool(field, *value),
                Value::Text(range) => visitor.record_str(field, text(range)),
                Value::Debug(range) => visitor.record_debug(field, &Preformatted(text(range))),
            }
        }
    }

    fn push_text(&mut self, write: impl FnOnce(&mut String)) -> Range<usize> {
        let start = self.texts.len();
        write(&mut self.texts);
        start..self.texts.len()
    }
}

impl Visit for SpanFields {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.values.push((field.clone(), Value::Signed(value)));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.values.push((field.clone(), Value::Unsigned(value)));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.values.push((field.clone(), Value::Float(value)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.values.push((field.clone(), Value::Bool(value)));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let range = self.push_text(|texts| texts.push_str(value));
        self.values.push((field.clone(), Value::Text(range)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // A value whose formatting fails is stored as far as it was formatted.
        let range = self.push_text(|texts| {
            let _ = write!(texts, "{value:?}");
        });
        self.values.push((field.clone(), Value::Debug(range)));
    }
}

impl Debug for Preformatted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}
