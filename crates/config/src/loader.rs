//! Loads sections out of the merged sources and collects every mistake.

use std::path::PathBuf;

use figment::error::Kind;
use figment::value::{Dict, Value};
use figment::{Figment, Metadata, Profile, Provider, Source};
use posthorn_domain::Environment;
use serde::Serialize;

use crate::mistake::{ConfigErrors, Mistakes};
use crate::secret::{has_secret, mask};
use crate::section::{ComputedDefault, KnownValues, Section};
use crate::setting::{Sections, Setting};
use crate::sources::{Layer, SECRET_FILE_ORIGIN, Sources};

/// An effective value and its origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Effective {
    /// The setting.
    pub name: &'static str,
    /// The value, masked if it is a secret; `None` if the setting is not set and has no default.
    pub value: Option<String>,
    /// `default`, `environment`, the path of the TOML file, `file` and the path of a secret, or an option
    /// such as `--port`.
    pub origin: String,
    /// The file whose readers learn a secret that this setting has or names.
    #[serde(skip)]
    pub(crate) secret_file: Option<PathBuf>,
}

/// The values of all sources, and the mistakes found so far.
pub(crate) struct Loader {
    sections: &'static Sections,
    /// The file and the environment.
    given: Figment,
    /// The defaults, the computed ones of the sections loaded so far among them.
    defaults: Figment,
    /// Shown for settings that remain unset.
    notes: Vec<ComputedDefault>,
    mistakes: Mistakes,
    /// Decides which values are safe enough.
    pub(crate) environment: Environment,
}

/// The defaults that stand in the schemas.
fn written_defaults(sections: &Sections) -> Layer {
    let mut layer = Layer::new(Metadata::named("default"));
    for setting in sections.settings() {
        if let Some(text) = &setting.default {
            layer.set(setting.key, text, setting);
        }
    }
    layer
}

impl Loader {
    /// Merges the sources.
    ///
    /// # Errors
    /// The file cannot be read or is not TOML.
    pub(crate) fn new(
        sources: &Sources,
        sections: &'static Sections,
    ) -> Result<Self, ConfigErrors> {
        let mut mistakes = Mistakes::default();
        let given = sources
            .merge(sections, &mut mistakes)
            .map_err(|error| ConfigErrors(vec![error]))?;
        Ok(Self {
            sections,
            given,
            defaults: Figment::from(written_defaults(sections)),
            notes: Vec::new(),
            mistakes,
            environment: Environment::default(),
        })
    }

    /// The values and defaults of a section. A value that cannot be read is a mistake, and the default
    /// stands in for it, so that the others are read and checked too. `None` if a default is a
    /// mistake.
    pub(crate) fn section<S: Section>(&mut self) -> Option<S> {
        self.add_computed_defaults::<S>();
        let mut values = merged(&self.values());
        values.retain(|key, _| self.sections.setting(key).is_some());
        loop {
            let figment = Figment::from(Layer::of_values(values.clone()));
            // Lossy, because all values are texts: `5000` is read as a number by a field that is one.
            let error = match figment.extract_lossy::<S>() {
                Ok(section) => {
                    self.check(&section);
                    return Some(section);
                }
                Err(error) => error,
            };
            let key = error.path.first().map(String::as_str);
            let Some(setting) = key.and_then(|key| self.sections.setting(key)) else {
                // A field without a default that is not an `Option`, which a test rules out.
                self.mistakes.add(S::TITLE, &error.to_string());
                return None;
            };
            let text = values.remove(setting.key).and_then(Value::into_string)?;
            self.reject(setting, &problem_of(setting, &text, error.kind));
            if let Ok(default) = self.defaults.find_value(setting.key) {
                if default.as_str() == Some(&text) {
                    return None;
                }
                values.insert(setting.key.to_owned(), default);
            }
        }
    }

    /// `outcome`, or a mistake in each of the settings that it names.
    pub(crate) fn accept<T>(
        &mut self,
        outcome: Result<T, Vec<(&'static str, String)>>,
    ) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(problems) => {
                for (key, problem) in problems {
                    self.reject_key(key, &problem);
                }
                None
            }
        }
    }

    /// Checks the rules of a section.
    fn check<S: Section>(&mut self, section: &S) {
        let Err(report) = section.validate_with(&self.environment) else {
            return;
        };
        for (path, error) in report.iter() {
            let problem = match error.message() {
                message if message.starts_with("length") => format!("its {message}"),
                message if message.starts_with("lower") => format!("it is {message}"),
                message if message.starts_with("greater") => format!("it is {message}"),
                message => message.to_owned(),
            };
            self.reject_key(&path.to_string(), &problem);
        }
    }

    fn reject_key(&mut self, key: &str, problem: &str) {
        match self.sections.setting(key) {
            Some(setting) => self.reject(setting, problem),
            None => self.mistakes.add(key, problem),
        }
    }

    fn reject(&mut self, setting: &Setting, problem: &str) {
        let figment = self.values();
        let shown = shown(setting, &merged(&figment), &figment);
        let origin = shown.as_ref().map(|(_, origin)| origin.as_str());
        self.mistakes.add_to(setting, problem, origin);
    }

    fn add_computed_defaults<S: Section>(&mut self) {
        let values = self.values();
        let known = KnownValues {
            environment: self.environment,
            values: &values,
        };
        let mut layer = Layer::new(Metadata::named("default"));
        for default in S::computed_defaults(&known) {
            match self
                .sections
                .setting(default.key)
                .filter(|_| default.is_value)
            {
                Some(setting) => layer.set(default.key, &default.text, setting),
                None => self.notes.push(default),
            }
        }
        self.defaults = std::mem::take(&mut self.defaults).merge(layer);
    }

    fn values(&self) -> Figment {
        self.given.clone().join(&self.defaults)
    }

    /// `settings` and the effective values.
    ///
    /// # Errors
    /// Every mistake.
    pub(crate) fn finish<T>(
        self,
        settings: Option<T>,
    ) -> Result<(T, Vec<Effective>), ConfigErrors> {
        let effective = self.effective();
        Ok((self.mistakes.none_or(settings)?, effective))
    }

    fn effective(&self) -> Vec<Effective> {
        let note = |setting: &Setting| {
            let note = self.notes.iter().find(|note| note.key == setting.key);
            note.map(|note| note.text.clone())
        };
        let figment = self.values();
        let values = merged(&figment);
        let row = |setting: &'static Setting| {
            let (value, origin) = match shown(setting, &values, &figment) {
                Some((text, origin)) => (Some(mask(setting, &text)), origin),
                None => (note(setting), "default".to_owned()),
            };
            Effective {
                name: &setting.name,
                secret_file: secret_file(setting, &values, &figment),
                value,
                origin,
            }
        };
        self.sections.settings().map(row).collect()
    }
}

/// All values. Figment merges them anew for each one that it is asked for.
fn merged(figment: &Figment) -> Dict {
    let mut profiles = figment.data().unwrap_or_default();
    profiles.remove(&Profile::Default).unwrap_or_default()
}

/// The text of a setting and its origin.
fn shown(setting: &Setting, values: &Dict, figment: &Figment) -> Option<(String, String)> {
    let value = values.get(setting.key)?;
    let metadata = figment.get_metadata(value.tag())?;
    let origin = match &metadata.source {
        Some(Source::File(path)) => path.display().to_string(),
        _ => metadata.name.to_string(),
    };
    Some((value.clone().into_string()?, origin))
}

/// The file whose readers learn the secret of a setting: the one that the setting names, or the TOML file
/// if the secret stands in it. A URL without a password is no secret.
fn secret_file(setting: &Setting, values: &Dict, figment: &Figment) -> Option<PathBuf> {
    let value = values.get(setting.key)?;
    let text = value.clone().into_string()?;
    if setting.is_secret_file() {
        return Some(PathBuf::from(text));
    }
    let metadata = figment.get_metadata(value.tag())?;
    if let Some(Source::File(path)) = &metadata.source {
        return has_secret(setting, &text).then(|| path.clone());
    }
    let path = metadata.name.strip_prefix(SECRET_FILE_ORIGIN)?;
    Some(PathBuf::from(path))
}

/// Describes why `text` cannot be read; a secret is not repeated.
fn problem_of(setting: &Setting, text: &str, kind: Kind) -> String {
    match kind {
        _ if setting.is_enumeration => format!("`{text}` is not one of them"),
        Kind::Message(problem) => problem,
        _ if setting.is_secret => "it is not valid".to_owned(),
        Kind::InvalidValue(..) => format!("`{text}` is out of range"),
        _ => format!("`{text}` is not valid"),
    }
}
