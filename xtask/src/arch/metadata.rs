//! What the check reads of the output of `cargo metadata --no-deps`.

use serde::Deserialize;

/// The workspace.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    pub(super) packages: Vec<Package>,
}

/// A member of the workspace.
#[derive(Debug, Deserialize)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) license: Option<String>,
    /// The path of its `Cargo.toml`.
    #[serde(default)]
    pub(super) manifest_path: String,
    pub(super) dependencies: Vec<DeclaredDependency>,
}

/// A dependency that a member declares, whatever target or feature it is for.
#[derive(Debug, Deserialize)]
pub(super) struct DeclaredDependency {
    /// Its package's name, also where the member calls it otherwise.
    pub(super) name: String,
    #[serde(default)]
    pub(super) kind: DependencyKind,
    /// Where it lies, if it is of this workspace.
    pub(super) path: Option<String>,
}

/// What a dependency is for; `null` in JSON is normal.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(from = "Option<KindInJson>")]
pub(super) enum DependencyKind {
    #[default]
    Normal,
    Build,
    Dev,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum KindInJson {
    Build,
    Dev,
}

impl From<Option<KindInJson>> for DependencyKind {
    fn from(name: Option<KindInJson>) -> Self {
        match name {
            None => Self::Normal,
            Some(KindInJson::Build) => Self::Build,
            Some(KindInJson::Dev) => Self::Dev,
        }
    }
}
