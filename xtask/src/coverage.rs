//! `cargo xtask coverage`: runs every test once and measures the lines of the product that they
//! execute.

use std::path::Path;

use crate::shell::{cargo, run as run_command};
use crate::{llvm, programs};

/// The least share of executed lines, in percent. It is raised when the share has risen, and never
/// lowered: a change that falls below it needs more tests.
const FLOOR: &str = "90";

/// Files outside the product: xtask, the testkit, tests, examples and benches.
const IGNORED: &str = r"(^|/)((xtask|crates/testkit|examples|benches)/|tests(/|\.rs$))";

/// The `Cargo.lock` of the last run, below the target directory.
const STAMP: &str = "target/llvm-cov-target/Cargo.lock";

/// Runs the tests and prints the table; fails below the floor.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    programs::ensure_cargo_tool(&programs::CARGO_LLVM_COV)?;
    let llvm = llvm::ensure()?;
    clean(root)?;
    let mut command = cargo(root, ["llvm-cov", "--locked", "--workspace", "--no-clean"]);
    command.args([
        "--ignore-filename-regex",
        IGNORED,
        "--fail-under-lines",
        FLOOR,
    ]);
    run_command(
        command
            .env("LLVM_COV", llvm.cov)
            .env("LLVM_PROFDATA", llvm.profdata)
            // A snapshot that differs fails its test; it is never rewritten here.
            .env("INSTA_UPDATE", "no"),
    )
}

/// Removes the profiles of the last run and keeps its build, so that only what has changed is
/// compiled. After a change of dependencies the build goes too: the files of old test programs would
/// stay beside the new ones and be counted.
fn clean(root: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{STAMP}: {error}");
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).map_err(failed)?;
    let stamp = root.join(STAMP);
    let same = std::fs::read_to_string(&stamp).is_ok_and(|last| last == lock);
    let what = if same {
        "--profraw-only"
    } else {
        "--workspace"
    };
    run_command(&mut cargo(root, ["llvm-cov", "clean", what]))?;
    if let Some(directory) = stamp.parent() {
        std::fs::create_dir_all(directory).map_err(failed)?;
    }
    std::fs::write(&stamp, lock).map_err(failed)
}
