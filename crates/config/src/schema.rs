//! The JSON Schema of the TOML file, for editors.

use serde_json::{Map, Value, json};

use crate::sections::SECTIONS;
use crate::setting::Setting;

/// The JSON Schema of the TOML file.
pub fn json_schema() -> Value {
    let mut properties = Map::new();
    for setting in SECTIONS.settings() {
        properties.insert(setting.key.to_owned(), property(setting));
        if let Some(key) = setting.file_key() {
            let description = format!("The path of a file that holds `{}`.", setting.key);
            properties.insert(key, json!({ "type": "string", "description": description }));
        }
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "posthorn.toml",
        "type": "object",
        "additionalProperties": false,
        "properties": properties
    })
}

/// The schema of a field, without what only the reference uses.
fn property(setting: &Setting) -> Value {
    let mut property = setting.schema.clone();
    if let Some(property) = property.as_object_mut() {
        let words = format!("{} It takes {}.", setting.meaning, setting.takes);
        property.insert("description".to_owned(), words.into());
        property.retain(|key, _| !key.starts_with("x-"));
        // Formats such as `uint64` are Rust's, and a URL of a file is not one of RFC 3986.
        property.remove("format");
        // TOML has no null: an unset key is left out.
        if let Some(types) = property.get_mut("type").and_then(Value::as_array_mut) {
            types.retain(|kind| kind != "null");
        }
    }
    property
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_and_every_file_of_a_secret_is_a_property() {
        let schema = json_schema();
        for setting in SECTIONS.settings() {
            let property = &schema["properties"][setting.key];
            assert!(
                property["type"].is_string() || property["type"].is_array(),
                "{property}"
            );
        }
        assert_eq!(schema["properties"]["secret_key_file"]["type"], "string");
    }
}
