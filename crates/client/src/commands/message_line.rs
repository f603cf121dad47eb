//! How a message is printed: a line of JSON, or a line for people.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::console::escape_control;

/// The members of a message that a line for people shows.
#[derive(Debug, Deserialize)]
pub(super) struct MessageLine {
    id: String,
    message: String,
    processed_at: String,
}

impl fmt::Display for MessageLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            message,
            processed_at,
        } = self;
        f.write_str(&escape_control(&format!("{processed_at}  {id}  {message}")))
    }
}

/// The line of a message, with its line feed.
///
/// # Errors
/// The value is not a message.
pub(super) fn message_line(message: &Value, json: bool) -> serde_json::Result<String> {
    if json {
        return Ok(format!("{message}\n"));
    }
    let line = MessageLine::deserialize(message)?;
    Ok(format!("{line}\n"))
}
