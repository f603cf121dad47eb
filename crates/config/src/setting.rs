//! The settings, described by the schemas of their sections.

use serde_json::Value;

use crate::field_names::field_names;
use crate::section::Section;

/// Every section with its settings.
pub(crate) struct Sections(pub(crate) Vec<SectionSettings>);

/// A section with its settings, in the order of the fields.
pub(crate) struct SectionSettings {
    pub(crate) title: &'static str,
    pub(crate) settings: Vec<Setting>,
}

/// One setting, as the schema of its field describes it.
pub(crate) struct Setting {
    /// The name in the file: that of the field.
    pub(crate) key: &'static str,
    /// The name in the environment.
    pub(crate) name: String,
    /// The default as it would be written; `None` if there is none or it is computed.
    pub(crate) default: Option<String>,
    /// The default in words.
    pub(crate) default_note: String,
    /// The values that it takes, in words.
    pub(crate) takes: String,
    /// Its documentation.
    pub(crate) meaning: String,
    /// True if the value is masked and may come from the file that `NAME_FILE` names.
    pub(crate) is_secret: bool,
    /// True if the secret is a URL, whose password alone is masked.
    pub(crate) is_url: bool,
    /// True if the schema lists the values.
    pub(crate) is_enumeration: bool,
    /// The schema of the field.
    pub(crate) schema: Value,
}

impl Sections {
    /// Every setting, in the order of the sections.
    pub(crate) fn settings(&self) -> impl Iterator<Item = &Setting> {
        self.0.iter().flat_map(|section| &section.settings)
    }

    /// The setting that the file sets with `key`.
    pub(crate) fn setting(&self, key: &str) -> Option<&Setting> {
        self.settings().find(|setting| setting.key == key)
    }
}

impl SectionSettings {
    /// Describes a section.
    pub(crate) fn of<S: Section>() -> Self {
        let schema = schemars::schema_for!(S).to_value();
        let property = |key: &str| schema.pointer(&format!("/properties/{key}")).cloned();
        Self {
            title: S::TITLE,
            settings: field_names::<S>()
                .iter()
                .filter_map(|key| Some(Setting::new(key, property(key)?)))
                .collect(),
        }
    }
}

impl Setting {
    /// True if the value is the path of a file that holds a secret.
    pub(crate) fn is_secret_file(&self) -> bool {
        self.schema.get("x-secret-file") == Some(&Value::Bool(true))
    }

    fn new(key: &'static str, schema: Value) -> Self {
        let text = |name| schema.get(name).and_then(Value::as_str).unwrap_or_default();
        let default = schema.get("default").map(plain);
        let default_note = match (&default, text("x-default").to_owned()) {
            (Some(default), _) if default.is_empty() => "empty".to_owned(),
            (Some(default), _) => format!("`{default}`"),
            (None, note) if note.is_empty() => "none".to_owned(),
            (None, note) => note,
        };
        Self {
            key,
            name: key.to_uppercase(),
            default,
            default_note,
            takes: takes(&schema),
            meaning: text("description").replace('\n', " "),
            is_secret: schema.get("writeOnly") == Some(&Value::Bool(true)),
            is_url: text("format") == "uri",
            is_enumeration: schema.get("enum").is_some(),
            schema,
        }
    }

    /// The variable that names the file of a secret.
    pub(crate) fn file_name(&self) -> Option<String> {
        self.is_secret.then(|| format!("{}_FILE", self.name))
    }

    /// The key that names the file of a secret.
    pub(crate) fn file_key(&self) -> Option<String> {
        self.is_secret.then(|| format!("{}_file", self.key))
    }
}

/// A scalar as it would be written in the environment.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// The values that a schema allows, in words.
fn takes(schema: &Value) -> String {
    let field = |name| schema.get(name);
    if let Some(words) = field("x-takes").and_then(Value::as_str) {
        return words.to_owned();
    }
    if let Some(values) = field("enum").and_then(Value::as_array) {
        let values: Vec<_> = values
            .iter()
            .map(|value| format!("`{}`", plain(value)))
            .collect();
        return alternatives(&values);
    }
    // A field that may be absent has its type beside `null`.
    let kind = field("type").and_then(|kind| match kind {
        Value::Array(kinds) => kinds
            .iter()
            .find_map(|kind| kind.as_str().filter(|kind| *kind != "null")),
        kind => kind.as_str(),
    });
    match (kind, field("minimum"), field("maximum")) {
        (Some("boolean"), ..) => "`true` or `false`".to_owned(),
        (Some("integer" | "number"), Some(min), Some(max)) => {
            format!("a number from {min} to {max}")
        }
        (Some("integer" | "number"), Some(min), None) => format!("a number from {min}"),
        (Some("integer" | "number"), ..) => "a number".to_owned(),
        _ => "a text".to_owned(),
    }
}

fn alternatives(values: &[String]) -> String {
    match values {
        [] => String::new(),
        [only] => only.clone(),
        [others @ .., last] => format!("{} or {last}", others.join(", ")),
    }
}
