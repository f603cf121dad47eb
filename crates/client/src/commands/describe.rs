//! The texts that `posthorn consumer` and `posthorn webhook` print.

use std::fmt::Write;

use serde_json::Value;

use crate::api::{ConsumerResource, RedriveResult, SettleResult};
use crate::console::escape_control;

/// The members of a consumer that a list shows, with the width of their columns.
const COLUMNS: [(&str, usize); 6] = [
    ("name", 24),
    ("waiting", 9),
    ("in_flight", 9),
    ("dead", 9),
    ("missed", 9),
    ("oldest_waiting_at", 0),
];

/// The members of a webhook that a list shows, with the width of their columns.
const WEBHOOK_COLUMNS: [(&str, usize); 9] = [
    ("name", 24),
    ("state", 8),
    ("waiting", 9),
    ("in_flight", 9),
    ("dead", 9),
    ("missed", 9),
    ("oldest_waiting_at", 24),
    ("url", 40),
    ("state_reason", 0),
];

/// The members of a topic that a list shows, with the width of their columns.
const TOPIC_COLUMNS: [(&str, usize); 4] = [
    ("topic", 24),
    ("count", 9),
    ("first_id", 26),
    ("last_id", 0),
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
    if list.get("webhooks").is_some() {
        table(members(list, "webhooks"), WEBHOOK_COLUMNS)
    } else {
        table(members(list, "consumers"), COLUMNS)
    }
}

/// The header above the topics.
pub(super) fn topic_header() -> String {
    header(TOPIC_COLUMNS)
}

/// Describes a topic as a row of a table.
pub(super) fn topic(topic: &Value) -> String {
    row(topic, TOPIC_COLUMNS)
}

/// Describes a page of dead letters, one line per letter.
pub(super) fn dead_letters(page: &Value) -> String {
    let names = ["died_at", "id", "attempts", "reason", "message"];
    items(page, "messages", names)
}

/// Describes leased messages, one line per message, which begins with the token of its lease.
pub(super) fn pulled(response: &Value) -> String {
    let names = ["lease", "lease_expires_at", "attempt", "id", "message"];
    items(response, "messages", names)
}

/// Describes what became of each lease, one line per lease: the outcome, the token, and the new end of an
/// extended lease.
pub(super) fn leases(tokens: &[String], result: &SettleResult, outcome: &str) -> String {
    let mut lines = String::new();
    for token in tokens {
        let is_stale = result.stale.contains(token);
        let outcome = if is_stale { "stale" } else { outcome };
        let _ = write!(lines, "{outcome:<12}  {}", escape_control(token));
        if let Some(end) = result.lease_expires_at.as_ref().filter(|_| !is_stale) {
            let _ = write!(lines, "  {}", escape_control(end));
        }
        lines.push('\n');
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

fn table<'a, const N: usize>(
    objects: impl Iterator<Item = &'a Value>,
    columns: [(&str, usize); N],
) -> String {
    objects.fold(header(columns), |table, object| {
        table + &row(object, columns)
    })
}

fn header<const N: usize>(columns: [(&str, usize); N]) -> String {
    let names = columns.map(|(name, width)| format!("{name:<width$}"));
    names.join(" ").trim_end().to_owned() + "\n"
}

fn row<const N: usize>(object: &Value, columns: [(&str, usize); N]) -> String {
    let values = columns.map(|(name, width)| {
        let value = plain(object.get(name).unwrap_or(&Value::Null));
        format!("{value:<width$}")
    });
    values.join(" ").trim_end().to_owned() + "\n"
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
        // JSON escapes only some control characters.
        other => escape_control(&other.to_string()),
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
    fn a_list_of_webhooks_shows_which_fails_and_why() {
        let list = json!({ "webhooks": [
            { "name": "a", "waiting": 1, "in_flight": 2, "dead": 3, "missed": 4,
                "oldest_waiting_at": "now", "url": "https://a.example/", "state": "failing",
                "state_reason": "status 500" },
        ]});
        let table = super::list(&list);
        let row = table.lines().nth(1).unwrap();
        assert!(row.starts_with("a  "), "{table}");
        for text in [" failing ", " https://a.example/ ", " status 500"] {
            assert!(row.contains(text), "{table}");
        }
    }

    #[test]
    fn a_member_of_any_kind_has_no_control_characters() {
        let message = json!({ "attributes": { "a": "b\u{202e}\u{9b}\n" }, "message": "c\u{7f}" });
        let lines = object(&message);
        assert_eq!(lines.lines().count(), 2, "{lines}");
        assert!(lines.contains(r"b\u{202e}\u{9b}\n"), "{lines}");
        assert!(lines.contains(r"c\u{7f}"), "{lines}");
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
    fn a_leased_message_is_one_line_and_so_is_its_outcome() {
        let response = json!({ "messages": [
            { "id": "1", "message": "a\nb", "attempt": 2, "lease": "l1", "lease_expires_at": "soon" },
        ]});
        assert_eq!(pulled(&response), "l1  soon  2  1  a\\nb\n");
        let result = SettleResult {
            settled: 1,
            stale: vec!["\u{1b}".to_owned()],
            lease_expires_at: Some("later".to_owned()),
        };
        let tokens = ["l1".to_owned(), "\u{1b}".to_owned()];
        assert_eq!(
            leases(&tokens, &result, "extended"),
            "extended      l1  later\nstale         \\u{1b}\n"
        );
    }

    #[test]
    fn a_dead_letter_is_one_line() {
        let page = json!({ "next": "2", "messages": [
            { "id": "1", "message": "a\nb", "attempts": 5, "reason": "exit code 1", "died_at": "now" },
        ]});
        let text = dead_letters(&page);
        assert_eq!(text, "now  1  5  exit code 1  a\\nb\n");
    }
}
