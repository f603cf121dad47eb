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

/// What is wrong inside the crates.
#[derive(Debug, Default)]
struct Inside {
    /// Imports against the direction of folders.
    against: Vec<String>,
    circles: Vec<String>,
    /// Type names that are defined more than once.
    repeated: Vec<String>,
}

impl Inside {
    fn violations(self) -> Vec<String> {
        let repeated = self.repeated.into_iter();
        let repeated = repeated.map(|name| format!("a type name is defined twice: {name}"));
        self.against
            .into_iter()
            .chain(self.circles)
            .chain(repeated)
            .collect()
    }
}

/// Prints the counts. Fails on wrong arrows between crates, on imports against the direction of a
/// crate's folders, on circles of files, and on type names that are defined twice.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let metadata = read(root)?;
    let mut found = violations::violations(&metadata.packages);
    let (crates, wrong) = (metadata.packages.len(), found.len());
    println!("arch: {crates} crates, {wrong} wrong arrows");
    let inside = inside_crates(root, &metadata, &sources::read(root)?)?;
    found.extend(inside.violations());
    if found.is_empty() {
        return Ok(());
    }
    Err(found.join("\n"))
}

fn inside_crates(root: &Path, metadata: &Metadata, sources: &[Source]) -> Result<Inside, String> {
    let mut inside = Inside::default();
    let (mut files, mut types) = (0, Vec::new());
    for package in &metadata.packages {
        for target in targets(root, package, sources) {
            let modules = Modules::read(&target, sources)?;
            for direction in DIRECTIONS
                .iter()
                .filter(|rule| rule.package == package.name)
            {
                let against = direction.violations(&modules);
                let (shown, wrong) = (direction.show(), against.len());
                println!(
                    "arch: {}: {shown}: {wrong} imports against it",
                    package.name
                );
                inside.against.extend(against);
            }
            let circles = circles::circles(&modules).into_iter();
            inside
                .circles
                .extend(circles.map(|circle| format!("{}: {circle}", package.name)));
            files += modules.files.len();
            types.extend(modules.types);
        }
    }
    println!("arch: {files} files, {} circles", inside.circles.len());
    inside.repeated = type_names::repeated(&types);
    let (types, repeated) = (types.len(), inside.repeated.len());
    println!("arch: {types} types, {repeated} names defined twice");
    Ok(inside)
}

/// The roots of the package's library and programs, such as `crates/domain/src/lib.rs`.
fn targets(root: &Path, package: &Package, sources: &[Source]) -> Vec<String> {
    let Some(directory) = directory(root, package) else {
        return Vec::new();
    };
    let candidates = ["lib.rs", "main.rs"].map(|file| format!("{directory}/src/{file}"));
    let exists = |path: &String| sources.iter().any(|source| source.path == *path);
    candidates.into_iter().filter(exists).collect()
}

/// A crate of the workspace.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Below the root, such as `crates/domain`.
    pub(crate) directory: String,
}

/// The workspace's members, in the order in which they build on each other.
pub(crate) fn members(root: &Path) -> Result<Vec<Member>, String> {
    let packages = read(root)?.packages.into_iter();
    let members = packages.filter_map(|package| {
        let directory = directory(root, &package)?.to_owned();
        let name = package.name;
        Some(Member { name, directory })
    });
    let mut members: Vec<Member> = members.collect();
    members.sort_by_key(|member| {
        rules::CRATES
            .iter()
            .position(|rule| rule.name == member.name)
    });
    Ok(members)
}

fn directory<'a>(root: &Path, package: &'a Package) -> Option<&'a str> {
    let directory = Path::new(&package.manifest_path).parent()?;
    directory.strip_prefix(root).ok()?.to_str()
}

fn read(root: &Path) -> Result<Metadata, String> {
    let arguments = ["metadata", "--no-deps", "--format-version", "1"];
    let json = capture(&mut cargo(root, arguments))?;
    serde_json::from_str(&json).map_err(|error| format!("cargo metadata: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks a workspace with one crate, `a`, of these files.
    fn check(files: &[(&str, &str)]) -> Vec<String> {
        let packages = serde_json::json!({ "packages": [{
            "name": "a", "license": null, "manifest_path": "/w/a/Cargo.toml", "dependencies": [],
        }]});
        let metadata = serde_json::from_value(packages).unwrap();
        let sources = files.iter().map(|(path, text)| Source {
            path: format!("a/src/{path}"),
            text: (*text).to_owned(),
        });
        let sources: Vec<_> = sources.collect();
        let inside = inside_crates(Path::new("/w"), &metadata, &sources).unwrap();
        inside.violations()
    }

    #[test]
    fn a_type_name_that_is_defined_twice_fails_the_check() {
        let planted = check(&[
            ("lib.rs", "mod b; pub struct Twice;"),
            ("b.rs", "pub enum Twice {}"),
        ]);
        assert_eq!(
            planted,
            ["a type name is defined twice: Twice: a/src/lib.rs:1, a/src/b.rs:1"]
        );
        let in_a_test = check(&[
            ("lib.rs", "#[cfg(test)] mod tests { struct Twice; }"),
            ("main.rs", "struct Twice;"),
        ]);
        assert!(in_a_test.is_empty(), "{in_a_test:?}");
    }

    #[test]
    fn a_circle_of_files_fails_the_check() {
        let planted = check(&[
            ("lib.rs", "mod b; pub struct A; pub use b::B;"),
            ("b.rs", "pub struct B(crate::A);"),
        ]);
        assert_eq!(planted.len(), 1, "{planted:?}");
    }
}
