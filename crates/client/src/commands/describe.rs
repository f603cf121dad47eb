//! The texts that `posthorn consumer` and `posthorn webhook` print.

use std::fmt::Write;

use serde_json::Value;

use crate::api::{ConsumerResource, RedriveResult};
use crate::console::escape_control;

/// The members of a consumer or a webhook that a list shows, with the width of their columns.
const COLUMNS: [(&str, usize); 6] = [
    ("name", 24),
    ("waiting", 9),
    ("in_flight", 9),
    ("dead", 9),
    ("missed", 9),
    ("oldest_waiting_at", 0),
];

/// Describes an object, one member per line.
pub(super) fn object(object: &Value) -> String {
    let mut lines = String::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        let _ = writeln!(lines, "{name:<18} {}", plain(value));
    }
    lines
}

/// Describes a consumer or a webhook, one member per line, and the entity tag of its settings.
pub(super) fn consumer(consumer: &ConsumerResource) -> String {
    let mut lines = object(&consumer.json);
    if let Some(tag) = &consumer.tag {
        let _ = writeln!(lines, "{:<18} {}", "etag", escape_control(tag));
    }
    lines
}

/// Describes the consumers or the webhooks of a topic as a table.
pub(super) fn list(list: &Value) -> String {
    let header = COLUMNS.map(|(name, width)| format!("{name:<width$}"));
    let mut table = header.join(" ").trim_end().to_owned() + "\n";
    let (consumers, webhooks) = (members(list, "consumers"), members(list, "webhooks"));
    for consumer in consumers.chain(webhooks) {
        let row = COLUMNS.map(|(name, width)| {
            let value = plain(consumer.get(name).unwrap_or(&Value::Null));
            format!("{value:<width$}")
        });
        table.push_str(row.join(" ").trim_end());
        table.push('\n');
    }
    table
}

/// Describes a page of dead letters, one line per letter, and the position of the next page.
pub(super) fn dead_letters(page: &Value) -> String {
    let names = ["died_at", "id", "attempts", "reason", "message"];
    let mut lines = items(page, "messages", names);
    if let Some(next) = page.get("next").filter(|next| !next.is_null()) {
        let _ = writeln!(lines, "next page: {}", plain(next));
    }
    lines
}

/// Describes the attempts of a webhook, one line per attempt.
pub(super) fn attempts(list: &Value) -> String {
    let names = [
        "at",
        "message_id",
        "attempt",
        "status",
        "milliseconds",
        "error",
    ];
    items(list, "attempts", names)
}

/// Describes the result of a redrive.
pub(super) fn redrive(result: &RedriveResult) -> String {
    let mut line = format!(
        "redriven {}, remaining {}",
        result.redriven, result.remaining
    );
    if !result.unknown.is_empty() {
        let unknown = escape_control(&result.unknown.join(" "));
        let _ = write!(line, ", not dead letters: {unknown}");
    }
    line + "\n"
}

/// Describes the items of a list, one line per item, by these members.
fn items<const N: usize>(object: &Value, list: &str, names: [&str; N]) -> String {
    let mut lines = String::new();
    for item in members(object, list) {
        let values = names.map(|name| plain(item.get(name).unwrap_or(&Value::Null)));
        let _ = writeln!(lines, "{}", values.join("  "));
    }
    lines
}

fn members<'a>(object: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    object
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// A value without quotes and control characters.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => escape_control(text),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_is_a_table() {
        let list = json!({ "consumers": [
            { "name": "a", "waiting": 1, "in_flight": 2, "dead": 3, "missed": 4, "oldest_waiting_at": null },
        ]});
        let table = super::list(&list);
        let rows: Vec<Vec<_>> = table
            .lines()
            .map(|l| l.split_whitespace().collect())
            .collect();
        assert_eq!(rows[0], COLUMNS.map(|(name, _)| name));
        assert_eq!(rows[1], ["a", "1", "2", "3", "4", "-"]);
    }

    #[test]
    fn an_attempt_is_one_line() {
        let list = json!({ "attempts": [
            { "message_id": "1", "attempt": 2, "at": "now", "status": null, "milliseconds": 7,
                "error": "no response in time" },
        ]});
        assert_eq!(attempts(&list), "now  1  2  -  7  no response in time\n");
    }

    #[test]
    fn a_dead_letter_is_one_line() {
        let page = json!({ "next": "2", "messages": [
            { "id": "1", "message": "a\nb", "attempts": 5, "reason": "exit code 1", "died_at": "now" },
        ]});
        let text = dead_letters(&page);
        assert_eq!(text, "now  1  5  exit code 1  a\\nb\nnext page: 2\n");
    }
}
