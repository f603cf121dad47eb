//! `cargo xtask coverage`: runs every test once and measures the lines of the product that they
//! execute.

use std::path::Path;

use crate::shell::{cargo, run as run_command};
use crate::tidy::sources;
use crate::{binary, llvm, programs};

/// The least share of executed lines, in percent. It is raised when the share has risen, and never
/// lowered: a change that falls below it needs more tests.
const FLOOR: &str = "90";

/// Files outside the product: xtask, the testkit, tests, examples and benches.
const IGNORED: &str = r"(^|/)((xtask|crates/testkit|examples|benches)/|tests(/|\.rs$))";

/// The manifests, lock file and toolchain of the last run.
const STAMP: &str = "target/llvm-cov-target/inputs.txt";

/// Runs the tests and prints the table; fails below the floor.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    programs::ensure_cargo_tool(&programs::CARGO_LLVM_COV)?;
    let llvm = llvm::ensure()?;
    clean(root)?;
    let mut command = cargo(
        root,
        [
            "llvm-cov",
            "--locked",
            "--workspace",
            "--no-clean",
            "--no-fail-fast",
        ],
    );
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
    )?;
    binary::reuse(binary::target_directory(root).join("llvm-cov-target/debug/posthorn"));
    Ok(())
}

/// Removes the profiles of the last run and keeps its build, so that only changed crates are compiled.
/// After a change of a manifest, the lock file or the toolchain the build is removed too: old test
/// programs would stay beside the new ones and count in the table.
fn clean(root: &Path) -> Result<(), String> {
    let is_input = |path: &str| {
        path.ends_with("Cargo.toml") || matches!(path, "Cargo.lock" | "rust-toolchain.toml")
    };
    let sources = sources::read(root)?.into_iter();
    let inputs = sources.filter(|source| is_input(&source.path));
    let inputs: String = inputs.map(|source| source.text).collect();
    let stamp = root.join(STAMP);
    let same = std::fs::read_to_string(&stamp).is_ok_and(|last| last == inputs);
    let extent = if same {
        "--profraw-only"
    } else {
        "--workspace"
    };
    run_command(&mut cargo(root, ["llvm-cov", "clean", extent]))?;
    let failed = |error: std::io::Error| format!("{STAMP}: {error}");
    if let Some(directory) = stamp.parent() {
        std::fs::create_dir_all(directory).map_err(failed)?;
    }
    std::fs::write(&stamp, inputs).map_err(failed)
}
