//! What a step was given when it last passed, so that it need not run again on the same.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{capture, find_program};

/// The directory of the records, one file for each step or part of one.
pub(super) const DIRECTORY: &str = "target/ci";

/// The programs that the steps run. Another version of one of them is a change.
const PROGRAMS: [&str; 14] = [
    "chromedriver",
    "chromium-headless-shell",
    "curl",
    "haproxy",
    "jq",
    "llvm-cov-22",
    "node",
    "npm",
    "promtool",
    "python3",
    "redis-cli",
    "redis-server",
    "systemd-analyze",
    "wget",
];

/// The files of the repository that a step, or a part of one, reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepInputs<'a> {
    /// The step takes a few seconds, needs no other program than cargo and git, and always runs.
    Unrecorded,
    /// Any file, ignored ones excepted.
    Repository,
    /// The files whose path starts or ends so; and the sources of xtask.
    Only {
        starts: &'a [&'a str],
        ends: &'a [&'a str],
    },
}

/// Runs `check` and records that it has passed as `name`. Returns false, without a run, if `may_skip` and
/// it has passed on the same inputs.
///
/// # Errors
/// The error of `check`, or a record that cannot be written.
pub(super) fn run(
    root: &Path,
    name: &str,
    inputs: StepInputs<'_>,
    may_skip: bool,
    check: impl FnOnce() -> Result<(), String>,
) -> Result<bool, String> {
    // Without a fingerprint, as outside of a repository, the check runs.
    let before = fingerprint(root, inputs).unwrap_or_default();
    if may_skip && has_passed(root, name, before) {
        return Ok(false);
    }
    set_passed(root, name, None)?;
    check()?;
    // What was edited while it ran has not been checked as a whole.
    if fingerprint(root, inputs).unwrap_or_default() == before {
        set_passed(root, name, before)?;
    }
    Ok(true)
}

/// Removes the record of `name`, so that it runs again.
///
/// # Errors
/// The record cannot be removed.
pub(super) fn forget(root: &Path, name: &str) -> Result<(), String> {
    set_passed(root, name, None)
}

/// The inputs of a step in one number; `None` if it always runs.
///
/// # Errors
/// The files cannot be listed or read.
pub(super) fn fingerprint(root: &Path, inputs: StepInputs<'_>) -> Result<Option<u64>, String> {
    if inputs == StepInputs::Unrecorded {
        return Ok(None);
    }
    let mut hasher = DefaultHasher::new();
    capture(Command::new("rustc").current_dir(root).arg("-vV"))?.hash(&mut hasher);
    for program in PROGRAMS.into_iter().filter_map(find_program) {
        let metadata = std::fs::metadata(&program).map_err(|error| error.to_string())?;
        (program, metadata.len(), metadata.modified().ok()).hash(&mut hasher);
    }
    let mut git = Command::new("git");
    git.current_dir(root)
        .args(["ls-files", "-z", "--cached", "--others"])
        .arg("--exclude-standard");
    let listed = capture(&mut git)?;
    let mut paths: Vec<&str> = listed.split_terminator('\0').collect();
    paths.sort_unstable();
    for path in paths.into_iter().filter(|path| inputs.contain(path)) {
        // A deleted file may still be in the index.
        let content = std::fs::read(root.join(path)).ok();
        (path, content).hash(&mut hasher);
    }
    Ok(Some(hasher.finish()))
}

impl StepInputs<'_> {
    fn contain(self, path: &str) -> bool {
        match self {
            Self::Unrecorded => false,
            Self::Repository => true,
            Self::Only { starts, ends } => {
                path.starts_with("xtask/")
                    || starts.iter().any(|start| path.starts_with(start))
                    || ends.iter().any(|end| path.ends_with(end))
            }
        }
    }
}

/// True if the step last passed with this fingerprint.
fn has_passed(root: &Path, step: &str, fingerprint: Option<u64>) -> bool {
    let written = std::fs::read_to_string(record(root, step)).ok();
    fingerprint.is_some_and(|found| written.is_some_and(|text| text == found.to_string()))
}

/// Records that the step has passed with this fingerprint; `None` removes the record.
///
/// # Errors
/// The record cannot be written.
fn set_passed(root: &Path, step: &str, fingerprint: Option<u64>) -> Result<(), String> {
    let record = record(root, step);
    let written = match fingerprint {
        Some(fingerprint) => std::fs::create_dir_all(root.join(DIRECTORY))
            .and_then(|()| std::fs::write(&record, fingerprint.to_string())),
        None if record.exists() => std::fs::remove_file(&record),
        None => Ok(()),
    };
    written.map_err(|error| format!("{}: {error}", record.display()))
}

fn record(root: &Path, step: &str) -> PathBuf {
    root.join(DIRECTORY).join(format!("{step}.txt"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::output;

    const MANIFESTS: StepInputs<'_> = StepInputs::Only {
        starts: &["assets/"],
        ends: &["Cargo.toml"],
    };

    #[test]
    fn a_changed_a_new_and_a_deleted_file_are_changes() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        output(Command::new("git").current_dir(root).args(["init", "-q"])).unwrap();
        let all = || fingerprint(root, StepInputs::Repository).unwrap().unwrap();
        let some = || fingerprint(root, MANIFESTS).unwrap().unwrap();
        let mut seen = vec![all()];
        let manifests = some();
        for content in ["a", "b"] {
            std::fs::write(root.join("code.rs"), content).unwrap();
            assert_eq!(some(), manifests, "no input of the step");
            seen.push(all());
        }
        assert_eq!(all(), all());
        std::fs::write(root.join(".gitignore"), "target").unwrap();
        seen.push(all());
        std::fs::create_dir(root.join("target")).unwrap();
        std::fs::write(root.join("target/a"), "ignored").unwrap();
        assert_eq!(seen.last(), Some(&all()));
        std::fs::write(root.join("Cargo.toml"), "").unwrap();
        assert_ne!(some(), manifests);
        seen.push(all());
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 5);
        std::fs::remove_file(root.join("code.rs")).unwrap();
        assert!(!seen.contains(&all()));
    }

    #[test]
    fn only_the_same_inputs_have_passed() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        assert!(!has_passed(root, "lint", Some(1)));
        set_passed(root, "lint", Some(1)).unwrap();
        assert!(has_passed(root, "lint", Some(1)));
        assert!(!has_passed(root, "lint", Some(2)));
        assert!(!has_passed(root, "lint", None));
        assert!(!has_passed(root, "doc", Some(1)));
        set_passed(root, "lint", None).unwrap();
        assert!(!has_passed(root, "lint", Some(1)));
        set_passed(root, "lint", None).unwrap();
    }
}
