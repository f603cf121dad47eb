//! `cargo xtask arch`: the arrows of `docs/ARCHITECTURE.md`, checked over `cargo metadata`.

mod metadata;
mod rules;
mod violations;

use std::path::Path;

use crate::shell::{capture, cargo};
use metadata::Metadata;

/// Reports every dependency and licence that the architecture does not know.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let metadata = read(root)?;
    let found = violations::violations(&metadata.packages);
    if found.is_empty() {
        println!("arch: {} crates keep the arrows", metadata.packages.len());
        return Ok(());
    }
    Err(found.join("\n"))
}

/// The names of the workspace's members, in the order in which they build on each other.
pub(crate) fn members(root: &Path) -> Result<Vec<String>, String> {
    let names = read(root)?.packages.into_iter().map(|package| package.name);
    let mut names: Vec<String> = names.collect();
    names.sort_by_key(|name| rules::CRATES.iter().position(|rule| rule.name == name));
    Ok(names)
}

fn read(root: &Path) -> Result<Metadata, String> {
    let arguments = ["metadata", "--no-deps", "--format-version", "1"];
    let json = capture(&mut cargo(root, arguments))?;
    serde_json::from_str(&json).map_err(|error| format!("cargo metadata: {error}"))
}
