//! The environment variables that describe a message to its command.
//!
//! `POSTHORN_ID`, `POSTHORN_TOPIC` and `POSTHORN_ATTEMPT`; `POSTHORN_ATTRIBUTES`, all attributes as a
//! JSON object; and one `POSTHORN_ATTRIBUTE_<KEY>` per attribute, where the key is in upper case and
//! `.` and `-` become `_`. Of several keys with one name, the last in byte order counts.

use crate::api::ReceivedMessage;

const PREFIX: &str = "POSTHORN_ATTRIBUTE_";

/// The names and values of the variables. No value contains NUL, which a variable cannot.
pub(super) fn variables(message: &ReceivedMessage) -> Vec<(String, String)> {
    let attributes = serde_json::json!(message.attributes).to_string();
    let mut variables = vec![
        ("POSTHORN_ID".to_owned(), message.id.clone()),
        ("POSTHORN_TOPIC".to_owned(), message.topic.clone()),
        ("POSTHORN_ATTEMPT".to_owned(), message.attempt.to_string()),
        ("POSTHORN_ATTRIBUTES".to_owned(), attributes),
    ];
    for (key, value) in &message.attributes {
        variables.push((attribute_variable(key), value.clone()));
    }
    variables.retain(|(_, value)| !value.contains('\0'));
    variables
}

/// The variable of an attribute. The prefix keeps a message from setting any other variable.
fn attribute_variable(key: &str) -> String {
    let name = key.chars().map(|character| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' => character.to_ascii_uppercase(),
        _ => '_',
    });
    PREFIX.chars().chain(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_becomes_variables() {
        let json = serde_json::json!({
            "id": "1", "topic": "t", "message": "m", "lease": "l", "attempt": 2,
            "attributes": { "content-type": "a", "content.type": "b", "k2": "", "n": "\u{0}" },
        });
        let message = serde_json::from_value(json).unwrap();
        let variables = variables(&message);
        let value = |name: &str| {
            let found = variables.iter().rfind(|(variable, _)| variable == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(value("POSTHORN_ID"), Some("1"));
        assert_eq!(value("POSTHORN_TOPIC"), Some("t"));
        assert_eq!(value("POSTHORN_ATTEMPT"), Some("2"));
        assert_eq!(value("POSTHORN_ATTRIBUTE_CONTENT_TYPE"), Some("b"));
        assert_eq!(value("POSTHORN_ATTRIBUTE_K2"), Some(""));
        assert_eq!(value("POSTHORN_ATTRIBUTE_N"), None);
        let all = value("POSTHORN_ATTRIBUTES").unwrap();
        assert!(all.contains(r#""content-type":"a""#), "{all}");
    }
}
