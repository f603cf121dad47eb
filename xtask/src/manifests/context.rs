//! Checks the context of an image build: only files that the build reads, and all that cargo needs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::shell::output;

/// The violations of the build's context, one line each.
pub(super) fn violations(root: &Path) -> Result<Vec<String>, String> {
    let ignore = fs::read_to_string(root.join(".dockerignore")).map_err(|e| e.to_string())?;
    let mut git = Command::new("git");
    git.current_dir(root)
        .args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    let files = output(&mut git)?;
    // A file may be deleted and still be in the index.
    let files = files.lines().filter(|file| root.join(file).exists());
    let context: BTreeSet<&str> = files.filter(|file| !is_ignored(&ignore, file)).collect();
    let mut found: Vec<String> = context
        .iter()
        .filter(|file| !is_read(file))
        .map(|file| format!("{file}: the image build does not read it (.dockerignore)"))
        .collect();
    if let Err(error) = reads_as_a_workspace(root, &context) {
        found.push(format!("the context is no workspace: {error}"));
    }
    found.extend(toolchain(root)?);
    Ok(found)
}

/// True if the build of the binary reads a file: Cargo's settings, manifests, build scripts and
/// sources, but neither tests nor xtask.
fn is_read(file: &str) -> bool {
    if file == ".cargo/config.toml" {
        return true;
    }
    let name = file.rsplit('/').next().unwrap_or_default();
    let manifest = matches!(name, "Cargo.toml" | "Cargo.lock" | "build.rs");
    let is_below = |directory: &&str| file.contains(directory);
    let source =
        file.starts_with("crates/") && ["/src/", "/assets/", "/templates/"].iter().any(is_below);
    let test = file.starts_with("crates/testkit/") || file.contains("/snapshots/");
    manifest || source && !test
}

/// Lays out the emptied workspace as the Dockerfile's first stage does, and has Cargo read it: a
/// manifest that names a file outside the context fails here and not in the build.
fn reads_as_a_workspace(root: &Path, context: &BTreeSet<&str>) -> Result<(), String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    for file in context {
        let name = file.rsplit('/').next().unwrap_or_default();
        let target = directory.path().join(file);
        let parent = target.parent().unwrap_or(directory.path());
        let copied = match name {
            "Cargo.toml" | "Cargo.lock" => fs::create_dir_all(parent)
                .and_then(|()| fs::copy(root.join(file), &target))
                .and_then(|_| fs::create_dir_all(parent.join("src")))
                .and_then(|()| fs::write(parent.join("src/lib.rs"), "")),
            _ => Ok(()),
        };
        copied.map_err(|error| format!("{file}: {error}"))?;
    }
    let main = directory.path().join("crates/posthorn/src/main.rs");
    fs::write(main, "fn main() {}").map_err(|error| error.to_string())?;
    let mut cargo = Command::new("cargo");
    cargo.current_dir(directory.path());
    cargo.args([
        "metadata",
        "--no-deps",
        "--offline",
        "--format-version",
        "1",
    ]);
    output(&mut cargo).map(drop)
}

/// The image must be built by the toolchain that everything else is built with.
fn toolchain(root: &Path) -> Result<Option<String>, String> {
    let read = |path: &str| fs::read_to_string(root.join(path)).map_err(|e| format!("{path}: {e}"));
    let dockerfile = read("deploy/docker/Dockerfile")?;
    let toolchain = read("rust-toolchain.toml")?;
    let channel = toolchain
        .lines()
        .find_map(|line| line.strip_prefix("channel = \"")?.strip_suffix('"'))
        .ok_or("rust-toolchain.toml names no channel")?;
    let wanted = format!("ARG RUST_IMAGE=docker.io/library/rust:{channel}-");
    let same = dockerfile.lines().any(|line| line.starts_with(&wanted));
    Ok((!same).then(|| format!("the Dockerfile does not build with Rust {channel}")))
}

/// True if the last pattern that matches `file` excludes it.
fn is_ignored(ignore: &str, file: &str) -> bool {
    let path: Vec<&str> = file.split('/').collect();
    let patterns = ignore.lines().map(str::trim);
    let mut ignored = false;
    for pattern in patterns.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (text, excludes) = match pattern.strip_prefix('!') {
            Some(text) => (text, false),
            None => (pattern, true),
        };
        let parts: Vec<&str> = text.split('/').collect();
        // A pattern that matches a directory matches everything below it.
        let matched =
            (1..=path.len()).any(|end| path.get(..end).is_some_and(|p| matches(&parts, p)));
        if matched {
            ignored = excludes;
        }
    }
    ignored
}

fn matches(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        (["**", rest @ ..], _) => {
            matches(rest, path)
                || path
                    .split_first()
                    .is_some_and(|(_, tail)| matches(pattern, tail))
        }
        ([first, rest @ ..], [name, tail @ ..]) => matches_name(first, name) && matches(rest, tail),
        _ => false,
    }
}

/// One `*` or none is all that the file needs.
fn matches_name(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => {
            name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IGNORE: &str =
        "# all\n*\n!Cargo.toml\n!crates\ncrates/**/tests\ncrates/**/*.md\ncrates/testkit/src\n";

    #[track_caller]
    fn check(file: &str, ignored: bool) {
        assert_eq!(is_ignored(IGNORE, file), ignored, "{file}");
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
        check("Cargo.toml", false);
        check("README.md", true);
        check("docs/API.md", true);
        check("crates/domain/src/lib.rs", false);
        check("crates/adapters/redis/tests/store.rs", true);
        check("crates/delivery/http/README.md", true);
        check("crates/testkit/src/lib.rs", true);
        check("crates/testkit/Cargo.toml", false);
    }
}
