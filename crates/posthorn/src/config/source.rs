//! Where values come from: the TOML file and the environment, merged by figment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::catalogue::CATALOGUE;

/// The file that is read when it exists and no other is named.
const DEFAULT_FILE: &str = "posthorn.toml";
/// Names the file when `--config` does not.
const FILE_VARIABLE: &str = "POSTHORN_CONFIG";

/// The sources of one reading, apart from the built-in defaults.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    file: Option<PathBuf>,
    environment: BTreeMap<String, String>,
}

/// Why the sources cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The named file is not there or cannot be read.
    #[error("cannot read the configuration file {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// The raw texts of the environment: unlike figment's own provider it never reads `007` as a
/// number or `true` as a Boolean, so that a secret made of digits stays what it is.
struct RawEnvironment<'a>(&'a BTreeMap<String, String>);

impl Sources {
    /// The process's environment, and the file named by `--config`, by `POSTHORN_CONFIG`, or
    /// `posthorn.toml` in the working directory if that exists.
    pub fn of_process(file: Option<&Path>) -> Self {
        let environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let named = file.map(Path::to_path_buf).or_else(|| {
            environment
                .get(FILE_VARIABLE)
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
        });
        let default = Path::new(DEFAULT_FILE);
        let file = named.or_else(|| default.exists().then(|| default.to_path_buf()));
        Self { file, environment }
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
        Self { file, environment }
    }

    /// The merged values, later sources over earlier ones.
    pub(super) fn figment(&self) -> Result<Figment, SourceError> {
        let mut figment = Figment::new();
        if let Some(path) = &self.file {
            let text = std::fs::read_to_string(path).map_err(|error| SourceError::File {
                path: path.clone(),
                reason: error.to_string(),
            })?;
            // Parsed from memory, so that a syntax error and a missing file are told apart.
            let parsed = Figment::from(Toml::string(&text));
            parsed
                .extract::<Dict>()
                .map_err(|error| SourceError::File {
                    path: path.clone(),
                    reason: error.to_string(),
                })?;
            figment = figment.merge(Toml::file_exact(path));
        }
        Ok(figment.merge(RawEnvironment(&self.environment)))
    }
}

impl Provider for RawEnvironment<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named("environment")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let mut values = Dict::new();
        let mut take = |name: &str| {
            // An empty variable is an unset one: manifests often pass all they know.
            if let Some(text) = self.0.get(name).filter(|text| !text.is_empty()) {
                values.insert(name.to_lowercase(), Value::from(text.as_str()));
            }
        };
        for setting in CATALOGUE {
            take(setting.name);
            if setting.secret {
                take(&format!("{}_FILE", setting.name));
            }
        }
        Ok(Map::from([(Profile::Default, values)]))
    }
}
