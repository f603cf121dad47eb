//! The mistakes of a configuration.

use std::fmt;

use crate::setting::Setting;

/// One mistake in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct ConfigError {
    /// The setting.
    pub name: String,
    /// The problem, the values that the setting takes, and the origin of its value; never a secret.
    pub problem: String,
}

/// Every mistake in the configuration; displayed as one line each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

/// The mistakes found so far.
#[derive(Default)]
pub(crate) struct Mistakes {
    errors: Vec<ConfigError>,
    /// The names of the settings among them: an unknown key of the file is none.
    settings: Vec<String>,
}

impl Mistakes {
    /// Adds a mistake that is not about the value of a setting.
    pub(crate) fn add(&mut self, name: &str, problem: &str) {
        self.errors.push(ConfigError {
            name: name.to_owned(),
            problem: problem.to_owned(),
        });
    }

    /// Adds a mistake in the value of a setting, unless it follows from a mistake found before: the
    /// setting has one already, or the text names a setting that has one.
    pub(crate) fn add_to(&mut self, setting: &Setting, problem: &str, origin: Option<&str>) {
        let follows = |name: &String| *name == setting.name || problem.contains(name);
        if self.settings.iter().any(follows) {
            return;
        }
        self.settings.push(setting.name.clone());
        let origin = match origin {
            None | Some("default") => String::new(),
            Some("environment") => " (from the environment)".to_owned(),
            Some(origin) => format!(" (from {origin})"),
        };
        self.add(
            &setting.name,
            &format!("{problem}; it takes {}{origin}", setting.takes),
        );
    }

    /// `value`, if there is no mistake.
    ///
    /// # Errors
    /// Every mistake.
    pub(crate) fn none_or<T>(self, value: Option<T>) -> Result<T, ConfigErrors> {
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(ConfigErrors(self.errors)),
        }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for ConfigErrors {}
