//! The fields of spans, kept as cheaply as they come: few spans see an event that asks for them.

use std::fmt::{Debug, Write};
use std::ops::Range;

use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::span::Attributes;
use tracing_bunyan_formatter::JsonStorage;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

/// The texts of a span's fields are seldom longer.
const USUAL_BYTES: usize = 160;

/// The fields that a span begins with.
pub(super) struct Kept {
    values: Vec<(Field, Value)>,
    texts: String,
}

/// A value; a text is a part of all texts.
enum Value {
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Bool(bool),
    Text(Range<usize>),
    Debug(Range<usize>),
}

/// A text that shows itself as it is.
struct Shown<'a>(&'a str);

impl Kept {
    pub(super) fn of(attributes: &Attributes<'_>) -> Self {
        let mut kept = Self {
            values: Vec::with_capacity(attributes.fields().len()),
            texts: String::with_capacity(USUAL_BYTES),
        };
        attributes.record(&mut kept);
        kept
    }

    fn record(&self, storage: &mut JsonStorage<'static>) {
        let text = |range: &Range<usize>| self.texts.get(range.clone()).unwrap_or_default();
        for (field, value) in &self.values {
            match value {
                Value::Signed(value) => storage.record_i64(field, *value),
                Value::Unsigned(value) => storage.record_u64(field, *value),
                Value::Float(value) => storage.record_f64(field, *value),
                Value::Bool(value) => storage.record_bool(field, *value),
                Value::Text(range) => storage.record_str(field, text(range)),
                Value::Debug(range) => storage.record_debug(field, &Shown(text(range))),
            }
        }
    }
}

/// Puts the fields of `span` and of those around it where the formatter looks for them.
pub(super) fn unpack<S>(span: &SpanRef<'_, S>)
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    if span.extensions().get::<JsonStorage<'static>>().is_some() {
        return;
    }
    let mut storage = JsonStorage::default();
    for around in span.scope().from_root() {
        if let Some(kept) = around.extensions().get::<Kept>() {
            kept.record(&mut storage);
        }
    }
    // Another thread may have been as fast.
    span.extensions_mut().replace(storage);
}

impl Visit for Kept {
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
        let begin = self.texts.len();
        self.texts.push_str(value);
        let range = begin..self.texts.len();
        self.values.push((field.clone(), Value::Text(range)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let begin = self.texts.len();
        // A value that cannot be shown is kept as far as it can be.
        let _ = write!(self.texts, "{value:?}");
        let range = begin..self.texts.len();
        self.values.push((field.clone(), Value::Debug(range)));
    }
}

impl Debug for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}
