//! What the lines of one callsite have in common, made once: an event then only adds its time and its values.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ptr;
use std::rc::Rc;

use tracing::field::Field;
use tracing::{Level, Metadata};

use super::json::{append_key, append_value};

/// The fields that every line has: the core fields, and where the event is in the source. A field of an event or a
/// span with such a name is left out.
const COMMON_FIELDS: [&str; 10] = [
    "v", "name", "hostname", "pid", "level", "time", "target", "line", "file", "msg",
];

/// The name of an event's message in its line.
pub(super) const MESSAGE: &str = "msg";

thread_local! {
    /// The layouts that this thread has used, by the address of their metadata: at most as many as the program has
    /// callsites.
    static LAYOUTS: RefCell<HashMap<usize, Rc<LineLayout>>> = RefCell::default();
}

/// The constant parts of the lines of one callsite.
pub(super) struct LineLayout {
    /// From the level to the quotation mark before the time.
    pub(super) before_time: Vec<u8>,
    /// From the quotation mark behind the time to the place in the source, and the message of an event without one.
    pub(super) after_time: Vec<u8>,
    /// The event's fields by their index; `None` for one that lines leave out.
    fields: Vec<Option<EventField>>,
}

/// A field of an event.
pub(super) struct EventField {
    /// Its name in a line.
    pub(super) name: &'static str,
    /// That name as a key, with the comma before it.
    pub(super) key: Vec<u8>,
}

impl LineLayout {
    /// The layout of the callsite of `metadata`.
    pub(super) fn of_callsite(metadata: &'static Metadata<'static>) -> Rc<Self> {
        LAYOUTS.with_borrow_mut(|layouts| {
            let layout = layouts.entry(ptr::from_ref(metadata).addr());
            Rc::clone(layout.or_insert_with(|| Rc::new(Self::new(metadata, metadata))))
        })
    }

    /// The layout of an event whose level and place are those of `metadata`, and whose fields those of `fields`.
    pub(super) fn new(metadata: &Metadata<'_>, fields: &'static Metadata<'static>) -> Self {
        let mut before_time = Vec::new();
        append_key(&mut before_time, "level");
        append_value(&mut before_time, &level(*metadata.level()));
        append_key(&mut before_time, "time");
        before_time.push(b'"');
        let mut after_time = b"\"".to_vec();
        append_key(&mut after_time, "target");
        append_value(&mut after_time, metadata.target());
        append_key(&mut after_time, "line");
        append_value(&mut after_time, &metadata.line());
        append_key(&mut after_time, "file");
        append_value(&mut after_time, &metadata.file());
        let mut names = Vec::new();
        if fields.fields().field("message").is_none() {
            append_key(&mut after_time, MESSAGE);
            append_value(&mut after_time, metadata.target());
        }
        let fields = fields.fields().iter().map(|field| {
            let name = log_name(&field)?;
            // Of several fields with one name the first stays.
            if names.contains(&name) {
                return None;
            }
            names.push(name);
            let mut key = Vec::new();
            append_key(&mut key, name);
            Some(EventField { name, key })
        });
        Self {
            before_time,
            after_time,
            fields: fields.collect(),
        }
    }

    /// What lines have of `field`, which is the event's; `None` if they leave it out.
    pub(super) fn field(&self, field: &Field) -> Option<&EventField> {
        self.fields.get(field.index())?.as_ref()
    }
}

/// The name of `field` in lines; `None` if they leave it out.
pub(super) fn log_name(field: &Field) -> Option<&'static str> {
    let name = field.name();
    let name = name.strip_prefix("r#").unwrap_or(name);
    // The fields of a record of the crate `log` are in its metadata.
    if COMMON_FIELDS.contains(&name) || name.starts_with("log.") {
        return None;
    }
    Some(if name == "message" { MESSAGE } else { name })
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
