//! The sources of values, as layers that figment merges: a TOML file below the environment, below the
//! command line.

mod file;
mod layer;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use figment::{Figment, Metadata};

use crate::mistake::{ConfigError, Mistakes};
use crate::secret;
use crate::setting::{Sections, Setting};
pub(crate) use layer::Layer;

/// The file that is read if it exists and no other is named.
const DEFAULT_FILE: &str = "posthorn.toml";
/// Names the file if `--config` does not.
const FILE_VARIABLE: &str = "POSTHORN_CONFIG";

/// What the origin of a secret from a file of its own begins with, before the path.
pub(crate) const SECRET_FILE_ORIGIN: &str = "file ";

/// The sources of a configuration, apart from the defaults.
#[derive(Clone, Default)]
pub struct Sources {
    file: Option<ConfigFile>,
    environment: BTreeMap<String, String>,
    /// Names of the environment whose values are not UTF-8.
    not_utf8: Vec<String>,
    arguments: Vec<Argument>,
}

/// The TOML file, and what names it: `--config`, `POSTHORN_CONFIG`, or nothing but the working directory.
#[derive(Clone, Debug)]
struct ConfigFile {
    path: PathBuf,
    named_by: &'static str,
}

/// The value of a setting on the command line.
#[derive(Clone)]
struct Argument {
    /// The key of the setting.
    key: &'static str,
    /// The option, such as `--port`.
    option: &'static str,
    text: String,
}

impl Sources {
    /// The process's environment, and the file named by `--config`, by `POSTHORN_CONFIG`, or
    /// `posthorn.toml` in the working directory if that exists.
    pub fn of_process(file: Option<&Path>) -> Self {
        let mut environment = BTreeMap::new();
        let mut not_utf8 = Vec::new();
        for (name, value) in std::env::vars_os() {
            match (name.into_string(), value.into_string()) {
                (Ok(name), Ok(value)) => drop(environment.insert(name, value)),
                (Ok(name), Err(_)) => not_utf8.push(name),
                (Err(_), _) => {}
            }
        }
        let by_option = file.map(|path| ConfigFile {
            path: path.to_path_buf(),
            named_by: "--config",
        });
        let variable = environment.get(FILE_VARIABLE);
        let by_variable = variable
            .filter(|path| !path.is_empty())
            .map(|path| ConfigFile {
                path: PathBuf::from(path),
                named_by: FILE_VARIABLE,
            });
        let default = || {
            let path = PathBuf::from(DEFAULT_FILE);
            path.exists().then_some(ConfigFile {
                path,
                named_by: DEFAULT_FILE,
            })
        };
        let file = by_option.or(by_variable).or_else(default);
        Self {
            file,
            environment,
            not_utf8,
            arguments: Vec::new(),
        }
    }

    /// The given environment and file alone.
    pub fn given<N: Into<String>, V: Into<String>>(
        environment: impl IntoIterator<Item = (N, V)>,
        file: Option<PathBuf>,
    ) -> Self {
        let environment = environment
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let file = file.map(|path| ConfigFile {
            path,
            named_by: "--config",
        });
        Self {
            file,
            environment,
            not_utf8: Vec::new(),
            arguments: Vec::new(),
        }
    }

    /// Sets the setting `key` by an option of the command line, over all other sources.
    #[must_use]
    pub fn with_argument(mut self, key: &'static str, option: &'static str, text: &str) -> Self {
        let text = text.to_owned();
        self.arguments.push(Argument { key, option, text });
        self
    }

    /// Merges the file, the environment and the arguments; a mistake leaves its setting unset.
    ///
    /// # Errors
    /// The file cannot be read or is not TOML.
    pub(crate) fn merge(
        &self,
        sections: &Sections,
        mistakes: &mut Mistakes,
    ) -> Result<Figment, ConfigError> {
        let mut figment = Figment::new();
        if let Some(ConfigFile { path, named_by }) = &self.file {
            figment = figment.merge(file::read(path, named_by, sections, mistakes)?);
        }
        figment = figment.merge(self.environment_layer(sections, mistakes));
        for Argument { key, option, text } in &self.arguments {
            if let Some(setting) = sections.setting(key) {
                let mut layer = Layer::new(Metadata::named(*option));
                layer.set(key, text, setting);
                figment = figment.merge(layer);
            }
        }
        for setting in sections.settings() {
            if let Some(layer) = secret_file(setting, &figment, mistakes) {
                figment = figment.merge(layer);
            }
        }
        Ok(figment)
    }

    fn environment_layer(&self, sections: &Sections, mistakes: &mut Mistakes) -> Layer {
        let mut layer = Layer::new(Metadata::named("environment"));
        for setting in sections.settings() {
            for name in [Some(setting.name.clone()), setting.file_name()]
                .into_iter()
                .flatten()
            {
                if self.not_utf8.contains(&name) {
                    let subject = if name == setting.name { "it" } else { &name };
                    mistakes.add_to(setting, &format!("{subject} is not UTF-8"), None);
                }
                // An empty variable is an unset one: manifests often pass all that they know.
                if let Some(text) = self.environment.get(&name).filter(|text| !text.is_empty()) {
                    layer.set(&name.to_lowercase(), text, setting);
                }
            }
        }
        layer
    }
}

/// The text in the file that `NAME_FILE` names.
fn secret_file(setting: &Setting, figment: &Figment, mistakes: &mut Mistakes) -> Option<Layer> {
    let name = setting.file_name()?;
    let path = figment
        .find_value(&name.to_lowercase())
        .ok()?
        .into_string()?;
    if figment.contains(setting.key) {
        let problem = format!("it is set twice, as {} and as {name}", setting.name);
        mistakes.add_to(setting, &problem, None);
        return None;
    }
    match secret::read_file(&path) {
        Ok(text) => {
            let mut layer = Layer::new(Metadata::named(format!("{SECRET_FILE_ORIGIN}{path}")));
            layer.set(setting.key, &text, setting);
            Some(layer)
        }
        Err(problem) => {
            let problem = format!("the file that {name} names: {problem}");
            mistakes.add_to(setting, &problem, None);
            None
        }
    }
}

/// Shows no value: some are secrets.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_show_no_value() {
        let sources = Sources::given([("SECRET_KEY", "hunter2")], None);
        assert!(!format!("{sources:?}").contains("hunter2"));
    }
}
