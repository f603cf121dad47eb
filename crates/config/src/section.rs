//! The trait of every section, and the defaults that it computes.

use figment::Figment;
use garde::Validate;
use posthorn_domain::Environment;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

/// One concern of the configuration. Each field that serde reads is a setting of the same name.
pub(crate) trait Section:
    DeserializeOwned + JsonSchema + Validate<Context = Environment>
{
    /// The heading of the section in the reference.
    const TITLE: &'static str;

    /// The defaults that depend on other settings or on the machine.
    fn computed_defaults(_known: &KnownValues<'_>) -> Vec<ComputedDefault> {
        Vec::new()
    }
}

/// The values that a computed default may depend on.
pub(crate) struct KnownValues<'a> {
    pub(crate) environment: Environment,
    pub(crate) values: &'a Figment,
}

/// The default of a setting that is computed at the start.
pub(crate) struct ComputedDefault {
    pub(crate) key: &'static str,
    pub(crate) text: String,
    /// False if the text is only shown: the setting remains unset.
    pub(crate) is_value: bool,
}

impl KnownValues<'_> {
    /// The text of a setting.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.values.find_value(key).ok()?.into_string()
    }

    /// True if a setting is on; false also if its text cannot be read.
    pub(crate) fn flag(&self, key: &str) -> bool {
        self.values.extract_inner_lossy(key).unwrap_or(false)
    }
}

impl ComputedDefault {
    /// A value, read as if it had been written.
    pub(crate) fn value(key: &'static str, text: impl ToString) -> Self {
        Self {
            key,
            text: text.to_string(),
            is_value: true,
        }
    }

    /// A text that `posthorn config` shows for a setting that remains unset.
    pub(crate) fn note(key: &'static str, text: impl ToString) -> Self {
        Self {
            is_value: false,
            ..Self::value(key, text)
        }
    }
}
