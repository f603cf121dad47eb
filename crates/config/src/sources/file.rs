//! The TOML file.

use std::path::Path;

use figment::Metadata;
use figment::value::{Dict, Num, Value};

use super::layer::Layer;
use crate::mistake::{ConfigError, Mistakes};
use crate::setting::{Sections, Setting};

/// Reads the file, which `named_by` has named. A key that is no setting and a value that cannot be a text are mistakes.
///
/// # Errors
/// The file cannot be read or is not TOML.
pub(super) fn read(
    path: &Path,
    named_by: &str,
    sections: &Sections,
    mistakes: &mut Mistakes,
) -> Result<Layer, ConfigError> {
    let setting_of = |key: &str| {
        let is_key =
            |setting: &&Setting| setting.key == key || setting.file_key().as_deref() == Some(key);
        sections.settings().find(is_key)
    };
    let refused = |reason| ConfigError {
        name: named_by.to_owned(),
        problem: format!(
            "cannot read the configuration file {}: {reason}",
            path.display()
        ),
    };
    let text = std::fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
    let values: Dict = toml::from_str(&text)
        .map_err(|error| refused(explain(&text, &error, |key| setting_of(key).is_some())))?;
    let mut layer = Layer::new(Metadata::from("TOML file", path));
    for (key, value) in &values {
        let Some(setting) = setting_of(key) else {
            mistakes.add(key, "no such setting; names in the file are in lower case");
            continue;
        };
        match text_of(setting, value) {
            Ok(text) => layer.set(key, &text, setting),
            Err(problem) => {
                mistakes.add_to(setting, problem, Some(&path.display().to_string()));
            }
        }
    }
    Ok(layer)
}

/// The text of a value; a list is joined by commas.
fn text_of(setting: &Setting, value: &Value) -> Result<String, &'static str> {
    if setting.is_secret {
        // A number or a list has no text that its author would expect.
        return match value.as_str() {
            Some(text) => Ok(text.to_owned()),
            None => Err("it is not a text in quotes"),
        };
    }
    plain(value).ok_or("it is a table, not a value")
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(text.clone()),
        Value::Char(_, character) => Some(character.to_string()),
        Value::Bool(_, boolean) => Some(boolean.to_string()),
        Value::Num(_, number) => number_text(*number),
        Value::Array(_, values) => {
            let texts: Option<Vec<_>> = values.iter().map(plain).collect();
            texts.map(|texts| texts.join(","))
        }
        Value::Empty(..) | Value::Dict(..) => None,
    }
}

fn number_text(number: Num) -> Option<String> {
    let unsigned = number.to_u128().map(|number| number.to_string());
    unsigned
        .or_else(|| number.to_i128().map(|number| number.to_string()))
        .or_else(|| number.to_f64().map(|number| number.to_string()))
}

/// Describes a syntax error and its line. The report of `toml` quotes the line, which may hold a
/// secret.
fn explain(text: &str, error: &toml::de::Error, is_key: impl Fn(&str) -> bool) -> String {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or_default();
    let line = before.matches('\n').count();
    let key = text.lines().nth(line).and_then(|line| line.split_once('='));
    let key = key.map(|(key, _)| key.trim());
    let setting = key.filter(|key| is_key(key));
    let setting = setting.map_or_else(String::new, |key| format!(", {key}"));
    let problem: Vec<_> = error.message().lines().collect();
    format!("line {}{setting}: {}", line + 1, problem.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, place: &str) {
        let error = toml::from_str::<Dict>(text).unwrap_err();
        let explained = explain(text, &error, |key| {
            ["secret_key", "redis_url", "port"].contains(&key)
        });
        assert!(explained.starts_with(place), "{explained}");
        assert!(!explained.contains("hunter2"), "{explained}");
        assert!(!explained.contains('\n'), "{explained}");
    }

    #[test]
    fn a_mistake_in_the_file_is_placed_and_not_quoted() {
        check("port = 1\nsecret_key = hunter2\n", "line 2, secret_key: ");
        check("secret_key = \"hunter2\n", "line 1, secret_key: ");
        check("secret_key = 'hunter2", "line 1, secret_key: ");
        check("secret_key = 0hunter2", "line 1, secret_key: ");
        check("secret_key = \"\\hunter2\"", "line 1, secret_key: ");
        check("redis_url = [redis://:hunter2@h]", "line 1, redis_url: ");
        check("secret_key hunter2", "line 1: ");
        check("secret_key = \"\"\"a\nhunter2", "line 2: ");
        check("port = 1\nport = \"hunter2\"", "line 2, port: ");
    }
}
