//! The step `layers` of `ci`: compiles alone only the crates that have changed since they last did.
//!
//! Which features a crate gets is decided by the manifests, and which it needs by its own sources. A
//! change of a crate that it depends on alters neither, and `lint` compiles all of them together.

use std::path::Path;

use super::passed;
use super::passed::StepInputs;
use crate::arch::Member;
use crate::layers;

/// Files outside of a crate that decide how it is compiled.
const COMMON: [&str; 3] = [".cargo/", "Cargo.lock", "rust-toolchain.toml"];

/// Checks each changed member of the workspace.
pub(super) fn run(root: &Path) -> Result<(), String> {
    for member in layers::members(root)? {
        run_changed(root, &member, || layers::check(root, &member.name))?;
    }
    Ok(())
}

/// Removes the records, so that the next run checks every member.
pub(super) fn forget(root: &Path) -> Result<(), String> {
    let mut members = layers::members(root)?.into_iter();
    members.try_for_each(|member| passed::forget(root, &record(&member)))
}

fn run_changed(
    root: &Path,
    member: &Member,
    check: impl FnOnce() -> Result<(), String>,
) -> Result<(), String> {
    let sources = format!("{}/", member.directory);
    let [cargo, lock, toolchain] = COMMON;
    let inputs = StepInputs::Only {
        starts: &[&sources, cargo, lock, toolchain],
        ends: &["Cargo.toml"],
    };
    if !passed::run(root, &record(member), inputs, true, check)? {
        println!("{}: unchanged since it compiled alone", member.name);
    }
    Ok(())
}

fn record(member: &Member) -> String {
    format!("layers-{}", member.name)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::shell;

    /// True if the member is compiled.
    fn is_checked(root: &Path, member: &Member) -> bool {
        let mut is_checked = false;
        let check = || {
            is_checked = true;
            Ok(())
        };
        run_changed(root, member, check).unwrap();
        is_checked
    }

    #[test]
    fn a_crate_is_compiled_alone_when_it_or_a_manifest_has_changed() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        shell::output(Command::new("git").current_dir(root).args(["init", "-q"])).unwrap();
        std::fs::write(root.join(".gitignore"), "target").unwrap();
        let [domain, redis] = ["domain", "redis"].map(|name| Member {
            name: format!("posthorn-{name}"),
            directory: format!("crates/{name}"),
        });
        let checked = || [&domain, &redis].map(|member| is_checked(root, member));
        let write = |path: &str| {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        };
        assert_eq!(checked(), [true, true]);
        assert_eq!(checked(), [false, false]);
        write("crates/domain/src/lib.rs");
        assert_eq!(checked(), [true, false]);
        write("crates/domain/Cargo.toml");
        assert_eq!(checked(), [true, true]);
        write("Cargo.lock");
        assert_eq!(checked(), [true, true]);
        assert_eq!(checked(), [false, false]);
        passed::forget(root, &record(&redis)).unwrap();
        assert_eq!(checked(), [false, true]);
    }
}
