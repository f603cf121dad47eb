//! The names of span fields in log lines: spans have OpenTelemetry's names, lines have short ones.
//!
//! The line of a request has the short names without this file: `crates/delivery/http/src/middleware/request_line.rs`
//! logs it outside of the request's span and repeats the fields, which costs less than to read them from the span.

use std::error::Error;
use std::fmt::{self, Debug};

use tracing::field::{Field, FieldSet, Visit};
use tracing_subscriber::field::{RecordFields, VisitOutput};
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultVisitor, Writer};

/// The span fields with another name in log lines.
///
/// Source of the long names: <https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server>.
const LOG_NAMES: [(&str, &[&str]); 4] = [
    ("http.request.method", &["method"]),
    ("client.address", &["client"]),
    ("http.route", &["route"]),
    ("http.response.status_code", &["status"]),
];

/// Passes fields on under their names in log lines.
pub(crate) struct WithLogNames<V>(pub(crate) V);

/// Formats the fields of readable lines.
pub(crate) struct ReadableFields;

/// The field by its name in log lines; `None` for the other names of OpenTelemetry, which lines leave out.
fn log_field(field: &Field) -> Option<Field> {
    match LOG_NAMES.iter().find(|(name, _)| *name == field.name()) {
        Some((_, names)) => FieldSet::new(names, field.callsite()).iter().next(),
        None => Some(field.clone()).filter(|field| !field.name().contains('.')),
    }
}

impl<V: Visit> Visit for WithLogNames<V> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if let Some(field) = log_field(field) {
            self.0.record_f64(&field, value);
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        if let Some(field) = log_field(field) {
            self.0.record_i64(&field, value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if let Some(field) = log_field(field) {
            self.0.record_u64(&field, value);
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if let Some(field) = log_field(field) {
            self.0.record_bool(&field, value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if let Some(field) = log_field(field) {
            self.0.record_str(&field, value);
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        if let Some(field) = log_field(field) {
            self.0.record_error(&field, value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if let Some(field) = log_field(field) {
            self.0.record_debug(&field, value);
        }
    }
}

impl<'writer> FormatFields<'writer> for ReadableFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut visitor = WithLogNames(DefaultVisitor::new(writer, true));
        fields.record(&mut visitor);
        visitor.0.finish()
    }
}
