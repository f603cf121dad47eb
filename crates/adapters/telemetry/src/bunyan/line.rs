//! Writes an event outside of any span as a Bunyan line, without intermediate JSON values.
//!
//! Source: the core fields of <https://github.com/trentm/node-bunyan#core-fields>, as the formatter
//! of `tracing-bunyan-formatter` writes them; a test compares the two.

use std::cell::RefCell;
use std::fmt;
use std::io::Write;

use jiff::Timestamp;
use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};
use tracing_subscriber::fmt::MakeWriter;

/// The core fields. An event's own field with such a name is left out.
const CORE_FIELDS: [&str; 7] = ["v", "level", "name", "hostname", "pid", "time", "msg"];
/// Lines are seldom longer, in bytes, so the buffer seldom grows.
const USUAL_LENGTH: usize = 512;

thread_local! {
    /// The buffer in which this thread assembles its lines, one after the other.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(USUAL_LENGTH));
    /// The second of this thread's last line, and its text: most lines are of the same second.
    static SECOND: RefCell<(Option<i64>, String)> = const { RefCell::new((None, String::new())) };
}

/// Writes events without fields of spans.
pub(super) struct LineFormatter {
    /// The first bytes of every line.
    prefix: Vec<u8>,
}

/// Appends an event's fields to a line.
struct FieldWriter<'a> {
    line: &'a mut Vec<u8>,
    has_message: bool,
}

impl LineFormatter {
    /// A formatter of lines with the application's name `app_name`.
    pub(super) fn new(app_name: &str) -> Self {
        let mut prefix = br#"{"v":0"#.to_vec();
        append_field(&mut prefix, "name", app_name);
        append_field(&mut prefix, "hostname", &crate::host_name());
        append_field(&mut prefix, "pid", &std::process::id());
        Self { prefix }
    }

    /// Writes `event` to `writer` in one call. The line is lost if the writer fails.
    pub(super) fn write<'a>(&self, event: &Event<'_>, writer: &'a impl MakeWriter<'a>) {
        let metadata = event.metadata();
        // Taken out, as an event within the formatting of this one uses a buffer of its own.
        let mut line = BUFFER.take();
        line.clear();
        line.extend_from_slice(&self.prefix);
        append_field(&mut line, "level", &level(*metadata.level()));
        line.extend_from_slice(br#","time":""#);
        append_time(&mut line, Timestamp::now());
        line.push(b'"');
        append_field(&mut line, "target", metadata.target());
        append_field(&mut line, "line", &metadata.line());
        append_field(&mut line, "file", &metadata.file());
        let mut fields = FieldWriter {
            line: &mut line,
            has_message: false,
        };
        event.record(&mut fields);
        if !fields.has_message {
            append_field(&mut line, "msg", metadata.target());
        }
        line.extend_from_slice(b"}\n");
        let _ = writer.make_writer_for(metadata).write_all(&line);
        BUFFER.set(line);
    }
}

impl FieldWriter<'_> {
    fn add(&mut self, field: &Field, value: &(impl Serialize + ?Sized)) {
        let name = field.name();
        if name == "message" {
            self.has_message = true;
            append_field(self.line, "msg", value);
        } else if !CORE_FIELDS.contains(&name) {
            append_field(self.line, name.strip_prefix("r#").unwrap_or(name), value);
        }
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
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Records of `log` have their metadata as fields.
        if !field.name().starts_with("log.") {
            self.add(field, &format!("{value:?}"));
        }
    }
}

fn append_field(line: &mut Vec<u8>, key: &str, value: &(impl Serialize + ?Sized)) {
    line.extend_from_slice(b",\"");
    // Field names are Rust identifiers: they need no escape.
    line.extend_from_slice(key.as_bytes());
    line.extend_from_slice(b"\":");
    // Writing a plain value to memory does not fail.
    let _ = serde_json::to_writer(line, value);
}

/// Appends a time in RFC 3339 with microseconds. Its characters need no escape.
fn append_time(line: &mut Vec<u8>, now: Timestamp) {
    let (second, micros) = (now.as_second(), now.subsec_microsecond().unsigned_abs());
    SECOND.with_borrow_mut(|(known, text)| {
        if *known != Some(second) {
            *known = Some(second);
            *text = format!("{now:.0}");
        }
        line.extend_from_slice(text.trim_end_matches('Z').as_bytes());
    });
    // Writing to memory does not fail.
    let _ = write!(line, ".{micros:06}Z");
}

/// The number of a level. Source: <https://github.com/trentm/node-bunyan#levels>.
fn level(level: Level) -> u8 {
    match level {
        Level::ERROR => 50,
        Level::WARN => 40,
        Level::INFO => 30,
        Level::DEBUG => 20,
        Level::TRACE => 10,
    }
}
