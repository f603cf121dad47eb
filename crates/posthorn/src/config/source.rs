//! Where values come from: the TOML file and the environment, merged by figment.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::catalogue::CATALOGUE;

/// The file that is read when it exists and no other is named.
const DEFAULT_FILE: &str = "posthorn.toml";
/// Names the file when `--config` does not.
const FILE_VARIABLE: &str = "POSTHORN_CONFIG";

/// The sources of one reading, apart from the built-in defaults.
#[derive(Clone, Default)]
pub struct Sources {
    file: Option<PathBuf>,
    environment: BTreeMap<String, String>,
    /// Names of the environment whose values are not UTF-8.
    not_utf8: Vec<String>,
}

/// Why the sources cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The named file is not there, cannot be read or is no TOML; never the text of a line of it.
    #[error("cannot read the configuration file {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// The values of the file.
struct FileValues {
    path: PathBuf,
    values: Dict,
}

/// The raw texts of the environment: unlike figment's own provider it never reads `007` as a
/// number or `true` as a Boolean, so that a secret made of digits stays what it is.
struct RawEnvironment<'a>(&'a BTreeMap<String, String>);

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
        let named = file.map(Path::to_path_buf).or_else(|| {
            environment
                .get(FILE_VARIABLE)
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
        });
        let default = Path::new(DEFAULT_FILE);
        let file = named.or_else(|| default.exists().then(|| default.to_path_buf()));
        Self {
            file,
            environment,
            not_utf8,
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
        Self {
            file,
            environment,
            not_utf8: Vec::new(),
        }
    }

    /// The names of settings in the environment whose values are not UTF-8.
    pub(super) fn not_utf8(&self) -> impl Iterator<Item = &String> {
        let known = |name: &&String| names().any(|known| known == **name);
        self.not_utf8.iter().filter(known)
    }

    /// The merged values, later sources over earlier ones.
    pub(super) fn figment(&self) -> Result<Figment, SourceError> {
        let mut figment = Figment::new();
        if let Some(path) = &self.file {
            let refused = |reason| SourceError::File {
                path: path.clone(),
                reason,
            };
            let text = std::fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
            let values = toml::from_str(&text).map_err(|error| refused(explain(&text, &error)))?;
            figment = figment.merge(FileValues {
                path: path.clone(),
                values,
            });
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
        for name in names() {
            take(&name);
        }
        Ok(Map::from([(Profile::Default, values)]))
    }
}

impl Provider for FileValues {
    fn metadata(&self) -> Metadata {
        Metadata::from("TOML file", self.path.as_path())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
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

/// Every name that the environment may set.
fn names() -> impl Iterator<Item = String> {
    CATALOGUE.iter().flat_map(|setting| {
        let file = setting.secret.then(|| format!("{}_FILE", setting.name));
        std::iter::once(setting.name.to_owned()).chain(file)
    })
}

/// Whether the file may set `key`.
pub(super) fn is_key(key: &str) -> bool {
    names().any(|name| name.to_lowercase() == key)
}

/// What is wrong with the text of the file, and where. The library's own report quotes the line,
/// which may hold a secret.
fn explain(text: &str, error: &toml::de::Error) -> String {
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
        let explained = explain(text, &error);
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

    #[test]
    fn sources_show_no_value() {
        let sources = Sources::given([("SECRET_KEY", "hunter2")], None);
        assert!(!format!("{sources:?}").contains("hunter2"));
    }
}
