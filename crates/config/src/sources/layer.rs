//! One layer of values for figment.

use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

use crate::setting::Setting;

/// Texts by key, and their origin. All values are texts, also those of the environment: figment's own
/// provider would read `007` as a number, and a secret may be made of digits.
pub(crate) struct Layer {
    metadata: Metadata,
    values: Dict,
}

impl Layer {
    pub(crate) fn new(metadata: Metadata) -> Self {
        Self {
            metadata,
            values: Dict::new(),
        }
    }

    /// Values that figment has merged.
    pub(crate) fn of_values(values: Dict) -> Self {
        Self {
            metadata: Metadata::default(),
            values,
        }
    }

    /// Sets the text of `key`. White space around it is cut, unless it may belong to a secret.
    pub(crate) fn set(&mut self, key: &str, text: &str, setting: &Setting) {
        let text = if setting.is_secret { text } else { text.trim() };
        self.values.insert(key.to_owned(), Value::from(text));
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        self.metadata.clone()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}
