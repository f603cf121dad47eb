//! Writes an event as a Bunyan line, without intermediate JSON values.
//!
//! Source: the core fields of <https://github.com/trentm/node-bunyan#core-fields>, as the formatter
//! of `tracing-bunyan-formatter` writes them; a test compares the two.

use std::cell::RefCell;
use std::fmt;
use std::io::Write;
use std::rc::Rc;

use jiff::Timestamp;
use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_log::NormalizeEvent;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::registry::{LookupSpan, Scope};

use super::json::{append_debug, append_key, append_text, append_value};
use super::layout::{LineLayout, MESSAGE, log_name};
use super::span_fields::SpanFields;
use crate::log_names::WithLogNames;

thread_local! {
    /// The buffers in which this thread assembles its lines, one after the other.
    static BUFFERS: RefCell<Buffers> = RefCell::default();
    /// The second of this thread's last line, and its text: most lines are of the same second.
    static SECOND: RefCell<(Option<i64>, String)> = const { RefCell::new((None, String::new())) };
}

/// Writes events with the fields of their spans. No line has a name twice.
pub(super) struct LineFormatter {
    /// The first bytes of every line.
    prefix: Vec<u8>,
}

/// A line, and the names of the fields in it beyond the common ones.
#[derive(Default)]
struct Buffers {
    line: Vec<u8>,
    names: Vec<&'static str>,
}

/// Appends fields to a line, each name once: the first field with a name stays.
struct FieldWriter<'a> {
    buffers: &'a mut Buffers,
    /// The layout of the event whose own fields these are; `None` for those of a span.
    layout: Option<&'a LineLayout>,
}

impl LineFormatter {
    /// A formatter of lines with the application's name `app_name`.
    pub(super) fn new(app_name: &str) -> Self {
        let mut prefix = br#"{"v":0"#.to_vec();
        append_key(&mut prefix, "name");
        append_value(&mut prefix, app_name);
        append_key(&mut prefix, "hostname");
        append_value(&mut prefix, &crate::host_name());
        append_key(&mut prefix, "pid");
        append_value(&mut prefix, &std::process::id());
        Self { prefix }
    }

    /// Writes `event`, which is in the spans of `scope`, to `writer` in one call. The line is lost if the writer
    /// fails.
    pub(super) fn write<'a, S>(
        &self,
        event: &Event<'_>,
        scope: Option<Scope<'_, S>>,
        writer: &'a impl MakeWriter<'a>,
    ) where
        S: Subscriber + for<'s> LookupSpan<'s>,
    {
        // Records of the crate `log` have their target and place in the source as fields.
        let layout = match event.normalized_metadata() {
            Some(of_log) => Rc::new(LineLayout::new(&of_log, event.metadata())),
            None => LineLayout::of_callsite(event.metadata()),
        };
        // Taken out, as an event within the formatting of this one uses buffers of its own.
        let mut buffers = BUFFERS.take();
        let line = &mut buffers.line;
        line.extend_from_slice(&self.prefix);
        line.extend_from_slice(&layout.before_time);
        append_time(line, Timestamp::now());
        line.extend_from_slice(&layout.after_time);
        event.record(&mut FieldWriter {
            buffers: &mut buffers,
            layout: Some(&layout),
        });
        // The innermost span first, as its fields replace those of the outer ones.
        for span in scope.into_iter().flatten() {
            if let Some(stored) = span.extensions().get::<SpanFields>() {
                stored.record(&mut WithLogNames(FieldWriter {
                    buffers: &mut buffers,
                    layout: None,
                }));
            }
        }
        buffers.line.extend_from_slice(b"}\n");
        let _ = writer
            .make_writer_for(event.metadata())
            .write_all(&buffers.line);
        buffers.line.clear();
        buffers.names.clear();
        BUFFERS.set(buffers);
    }
}

impl FieldWriter<'_> {
    fn add(&mut self, field: &Field, value: &impl Serialize) {
        if let Some(line) = self.append_key(field) {
            append_value(line, value);
        }
    }

    /// Appends the key of `field`; returns the line for its value, or `None` if the line leaves the field out.
    fn append_key(&mut self, field: &Field) -> Option<&mut Vec<u8>> {
        let Buffers { line, names } = self.buffers;
        if let Some(layout) = self.layout {
            let field = layout.field(field)?;
            names.push(field.name);
            line.extend_from_slice(&field.key);
        } else {
            // Every line has a message of its own.
            let is_free = |name: &&str| *name != MESSAGE && !names.contains(name);
            let name = log_name(field).filter(is_free)?;
            names.push(name);
            append_key(line, name);
        }
        Some(line)
    }
}

impl Visit for FieldWriter<'_> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, &value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if let Some(line) = self.append_key(field) {
            append_text(line, value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if let Some(line) = self.append_key(field) {
            append_debug(line, value);
        }
    }
}

/// Appends a time in RFC 3339 with microseconds. Its characters need no escape.
fn append_time(line: &mut Vec<u8>, now: Timestamp) {
    let (second, micros) = (now.as_second(), now.subsec_microsecond().unsigned_abs());
    SECOND.with_borrow_mut(|(known, text)| {
        if *known != Some(second) {
            *known = Some(second);
            text.clear();
            text.push_str(format!("{now:.0}").trim_end_matches('Z'));
        }
        line.extend_from_slice(text.as_bytes());
    });
    let (mut digits, mut rest) = (*b".000000Z", micros);
    for digit in digits.iter_mut().take(7).skip(1).rev() {
        *digit += u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
    }
    line.extend_from_slice(&digits);
}
