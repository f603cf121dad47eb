//! A Bunyan line written straight from an event.
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

/// The core fields: an event's own field of such a name is left out.
const CORE: [&str; 7] = ["v", "level", "name", "hostname", "pid", "time", "msg"];
/// A line is seldom longer, so that its buffer is seldom grown.
const USUAL_BYTES: usize = 512;

thread_local! {
    /// Where the lines of this thread are put together, one after the other.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(USUAL_BYTES));
    /// The second of the last line of this thread, and its text: most lines are of the same one.
    static SECOND: RefCell<(Option<i64>, String)> = const { RefCell::new((None, String::new())) };
}

/// Writes events without a look at the spans around them.
pub(super) struct Lines {
    /// What every line begins with.
    head: Vec<u8>,
}

/// Adds an event's fields to a line. A value that cannot be written leaves its field out.
struct Fields<'a> {
    line: &'a mut Vec<u8>,
    has_message: bool,
}

impl Lines {
    /// Lines of the application `app_name`.
    pub(super) fn new(app_name: &str) -> Self {
        let mut head = br#"{"v":0"#.to_vec();
        entry(&mut head, "name", app_name);
        entry(&mut head, "hostname", &crate::host_name());
        entry(&mut head, "pid", &std::process::id());
        Self { head }
    }

    /// Writes `event` to `writer` in one piece, and loses it when the writer fails.
    pub(super) fn write<'a>(&self, event: &Event<'_>, writer: &'a impl MakeWriter<'a>) {
        let metadata = event.metadata();
        // An event inside the writing of another, on the same thread, has a line of its own.
        let mut line = BUFFER.take();
        line.clear();
        line.extend_from_slice(&self.head);
        entry(&mut line, "level", &level(*metadata.level()));
        line.extend_from_slice(br#","time":""#);
        stamp(&mut line, Timestamp::now());
        line.push(b'"');
        entry(&mut line, "target", metadata.target());
        entry(&mut line, "line", &metadata.line());
        entry(&mut line, "file", &metadata.file());
        let mut fields = Fields {
            line: &mut line,
            has_message: false,
        };
        event.record(&mut fields);
        if !fields.has_message {
            entry(&mut line, "msg", metadata.target());
        }
        line.extend_from_slice(b"}\n");
        let _ = writer.make_writer_for(metadata).write_all(&line);
        BUFFER.set(line);
    }
}

impl Fields<'_> {
    fn add(&mut self, field: &Field, value: &(impl Serialize + ?Sized)) {
        let name = field.name();
        if name == "message" {
            self.has_message = true;
            entry(self.line, "msg", value);
        } else if !CORE.contains(&name) {
            entry(self.line, name.strip_prefix("r#").unwrap_or(name), value);
        }
    }
}

impl Visit for Fields<'_> {
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
        // Records of `log` bring their metadata as fields.
        if !field.name().starts_with("log.") {
            self.add(field, &format!("{value:?}"));
        }
    }
}

fn entry(line: &mut Vec<u8>, key: &str, value: &(impl Serialize + ?Sized)) {
    line.extend_from_slice(b",\"");
    // The names of fields are identifiers of Rust: they need no escape.
    line.extend_from_slice(key.as_bytes());
    line.extend_from_slice(b"\":");
    // Writing a plain value to memory does not fail.
    let _ = serde_json::to_writer(line, value);
}

/// Adds a time in RFC 3339 to the microsecond. Its characters need no escape.
fn stamp(line: &mut Vec<u8>, now: Timestamp) {
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

/// Source: <https://github.com/trentm/node-bunyan#levels>.
fn level(level: Level) -> u8 {
    match level {
        Level::ERROR => 50,
        Level::WARN => 40,
        Level::INFO => 30,
        Level::DEBUG => 20,
        Level::TRACE => 10,
    }
}
