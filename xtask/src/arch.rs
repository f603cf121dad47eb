//! `cargo xtask arch`: the architecture of `docs/ARCHITECTURE.md`, checked: the arrows between crates
//! over `cargo metadata`, the imports inside each crate and the names of types over the sources.

mod circles;
mod folders;
mod metadata;
mod modules;
mod rules;
mod scan;
mod type_names;
mod violations;

use std::path::Path;

use crate::shell::{capture, cargo};
use crate::tidy::sources::{self, Source};
use folders::DIRECTIONS;
use metadata::{Metadata, Package};
use modules::Modules;

/// Fails on a wrong arrow between crates. What is wrong inside crates is only printed.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let metadata = read(root)?;
    let inside = inside_crates(root, &metadata)?;
    if !inside.is_empty() {
        println!("{}", inside.join("\n"));
    }
    let wrong = violations::violations(&metadata.packages);
    println!(
        "arch: {} crates, {} wrong arrows",
        metadata.packages.len(),
        wrong.len()
    );
    if wrong.is_empty() {
        return Ok(());
    }
    Err(wrong.join("\n"))
}

/// Prints the direction and how many files were read; returns every import against the direction,
/// every circle and every repeated type name.
fn inside_crates(root: &Path, metadata: &Metadata) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    let sources = sources::read(root)?;
    let mut types = Vec::new();
    let (mut files, mut circles) = (0, 0);
    for package in &metadata.packages {
        for target in targets(root, package, &sources) {
            let modules = Modules::read(&target, &sources)?;
            let directions = DIRECTIONS
                .iter()
                .filter(|rule| rule.package == package.name);
            for direction in directions {
                let against = direction.violations(&modules);
                println!(
                    "arch: {}: {}: {} imports against it",
                    package.name,
                    direction.show(),
                    against.len()
                );
                found.extend(against);
            }
            let round = circles::circles(&modules);
            files += modules.files.len();
            circles += round.len();
            found.extend(
                round
                    .iter()
                    .map(|circle| format!("{}: {circle}", package.name)),
            );
            types.extend(modules.types);
        }
    }
    println!("arch: {files} files, {circles} circles");
    let repeated = type_names::repeated(&types);
    println!(
        "arch: {} types, {} names defined twice",
        types.len(),
        repeated.len()
    );
    found.extend(repeated);
    Ok(found)
}

/// The roots of the package's library and programs, such as `crates/domain/src/lib.rs`.
fn targets(root: &Path, package: &Package, sources: &[Source]) -> Vec<String> {
    let directory = Path::new(&package.manifest_path).parent();
    let directory = directory.and_then(|directory| directory.strip_prefix(root).ok());
    let Some(directory) = directory.and_then(Path::to_str) else {
        return Vec::new();
    };
    let candidates = ["lib.rs", "main.rs"].map(|file| format!("{directory}/src/{file}"));
    let exists = |path: &String| sources.iter().any(|source| source.path == *path);
    candidates.into_iter().filter(exists).collect()
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
