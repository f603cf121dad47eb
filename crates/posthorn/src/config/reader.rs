//! Reads one setting after the other and keeps every mistake for one report.

use std::fmt;

use figment::value::{Dict, Num, Value};
use figment::{Figment, Source};

use super::catalogue::{CATALOGUE, Setting};
use super::secret::{self, mask};
use super::source::is_key;

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct ConfigError {
    /// The setting.
    pub name: String,
    /// What is wrong and what it takes; never a secret's value.
    pub problem: String,
}

/// Everything that is wrong with the configuration, one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

/// One effective value and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The setting.
    pub name: &'static str,
    /// Its value, masked if it is a secret; empty when it is not set.
    pub value: String,
    /// `default`, `environment`, or the file's path.
    pub origin: String,
}

/// A raw value and where it came from.
struct Raw {
    text: String,
    origin: String,
}

/// Reads settings from a figment; collects errors and effective values.
pub(super) struct Reader {
    figment: Figment,
    errors: Vec<ConfigError>,
    effective: Vec<Effective>,
}

impl Reader {
    pub(super) fn new(figment: Figment) -> Self {
        let mut reader = Self {
            figment,
            errors: Vec::new(),
            effective: Vec::new(),
        };
        reader.refuse_unknown_keys();
        reader
    }

    /// The value of `setting`, else its default. After a mistake it is `T::default()`, and
    /// [`Reader::finish`] reports the mistake.
    pub(super) fn read<T: Default>(
        &mut self,
        setting: &Setting,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> T {
        self.read_or(setting, setting.default.unwrap_or_default(), parse)
    }

    /// As [`Reader::read`], with a default that was worked out.
    pub(super) fn read_or<T: Default>(
        &mut self,
        setting: &Setting,
        default: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> T {
        match self.read_optional(setting, &parse) {
            Some(value) => value,
            None if self.errors.iter().any(|error| error.name == setting.name) => T::default(),
            None => {
                self.show(setting, default.to_owned(), "default".to_owned());
                parse(default).unwrap_or_else(|problem| {
                    self.error(setting, &problem);
                    T::default()
                })
            }
        }
    }

    /// The value of `setting`, if one is set and valid.
    pub(super) fn read_optional<T>(
        &mut self,
        setting: &Setting,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let raw = match self.raw(setting) {
            Ok(raw) => raw?,
            Err(problem) => {
                self.error(setting, &problem);
                return None;
            }
        };
        let shown = if setting.secret {
            mask(setting, &raw.text)
        } else {
            raw.text.clone()
        };
        self.show(setting, shown, raw.origin);
        parse(&raw.text)
            .map_err(|problem| self.error(setting, &problem))
            .ok()
    }

    /// Notes that the value of `setting` does not do.
    pub(super) fn error(&mut self, setting: &Setting, problem: &str) {
        let problem = format!("{problem}; it takes {}", setting.takes);
        self.errors.push(ConfigError {
            name: setting.name.to_owned(),
            problem,
        });
    }

    /// The effective values, or every mistake.
    pub(super) fn finish(mut self) -> Result<Vec<Effective>, ConfigErrors> {
        if !self.errors.is_empty() {
            return Err(ConfigErrors(self.errors));
        }
        let place = |shown: &Effective| CATALOGUE.iter().position(|s| s.name == shown.name);
        self.effective.sort_by_key(place);
        Ok(self.effective)
    }

    /// Shows an effective value that was not read but worked out.
    pub(super) fn show(&mut self, setting: &Setting, value: String, origin: String) {
        self.effective.push(Effective {
            name: setting.name,
            value,
            origin,
        });
    }

    /// Notes that a value of the environment is not UTF-8.
    pub(super) fn refuse_not_utf8(&mut self, name: &str) {
        self.errors.push(ConfigError {
            name: name.to_owned(),
            problem: "it is not UTF-8".to_owned(),
        });
    }

    fn raw(&self, setting: &Setting) -> Result<Option<Raw>, String> {
        let key = setting.name.to_lowercase();
        if !setting.secret {
            return self.find(&key, text_of, "it is a table, not a value");
        }
        // What a number or a list is as a text is not what was meant.
        let find = |key: &str| self.find(key, quoted, "it is not a text in quotes");
        let direct = find(&key)?;
        let Some(file) = find(&format!("{key}_file"))? else {
            return Ok(direct);
        };
        if direct.is_some() {
            return Err(format!(
                "it is set twice, as {0} and as {0}_FILE",
                setting.name
            ));
        }
        // The secret itself may stand where the file's name belongs.
        let text = secret::read_file(&file.text)
            .map_err(|problem| format!("the file that {}_FILE names: {problem}", setting.name))?;
        Ok(Some(Raw {
            text,
            origin: format!("file {}", file.text),
        }))
    }

    fn find(
        &self,
        key: &str,
        text: impl FnOnce(&Value) -> Option<String>,
        problem: &str,
    ) -> Result<Option<Raw>, String> {
        let Ok(value) = self.figment.find_value(key) else {
            return Ok(None);
        };
        let text = text(&value).ok_or(problem)?;
        let metadata = self.figment.get_metadata(value.tag());
        let origin = match metadata.and_then(|metadata| metadata.source.as_ref()) {
            Some(Source::File(path)) => path.display().to_string(),
            _ => "environment".to_owned(),
        };
        Ok(Some(Raw { text, origin }))
    }

    fn refuse_unknown_keys(&mut self) {
        let keys = self
            .figment
            .extract::<Dict>()
            .unwrap_or_default()
            .into_keys();
        for key in keys.filter(|key| !is_key(key)) {
            let problem = "no such setting; names in the file are in lower case".to_owned();
            self.errors.push(ConfigError { name: key, problem });
        }
    }
}

/// The text of a value that is one.
fn quoted(value: &Value) -> Option<String> {
    value.as_str().map(ToOwned::to_owned)
}

/// The text of a value: a list is joined by commas.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(text.clone()),
        Value::Char(_, character) => Some(character.to_string()),
        Value::Bool(_, boolean) => Some(boolean.to_string()),
        Value::Num(_, number) => Some(number_text(*number)),
        Value::Array(_, values) => Some(
            values
                .iter()
                .map(text_of)
                .collect::<Option<Vec<_>>>()?
                .join(","),
        ),
        Value::Empty(..) | Value::Dict(..) => None,
    }
}

fn number_text(number: Num) -> String {
    number
        .to_u128()
        .map(|n| n.to_string())
        .or_else(|| number.to_i128().map(|n| n.to_string()))
        .or_else(|| number.to_f64().map(|n| n.to_string()))
        .unwrap_or_default()
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for error in &self.0 {
            if !std::mem::take(&mut first) {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
