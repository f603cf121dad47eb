//! `cargo xtask coverage`: runs every test once and measures the lines of the product that they
//! execute.

mod environment;

use std::path::Path;

use crate::shell::{cargo, run as run_command};
use crate::test::{programs as test_programs, side_by_side, with_test_environment};
use crate::tidy::sources;
use crate::{binary, llvm, programs};

/// The least share of executed lines, in percent. It is raised when the share has risen, and never
/// lowered: a change that falls below it needs more tests.
const FLOOR: &str = "90";

/// Files outside the product: xtask, the testkit, tests, examples and benches.
const IGNORED: &str = r"(^|/)((xtask|crates/testkit|examples|benches)/|tests(/|\.rs$))";

/// The directory of instrumented builds, below cargo's.
const DIRECTORY: &str = "llvm-cov-target";

/// The manifests, lock file and toolchain of the last run.
const STAMP: &str = "target/llvm-cov-target/inputs.txt";

/// The variable with the path of the file into which a program writes what it has executed.
const PROFILE: &str = "LLVM_PROFILE_FILE";

/// Runs the tests and prints the table; fails below the floor.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    programs::ensure_cargo_tool(&programs::CARGO_LLVM_COV)?;
    let llvm = llvm::ensure()?;
    clean(root)?;
    let directory = binary::target_directory(root).join(DIRECTORY);
    let instrumented = environment::read(root, &directory, &llvm)?;
    let mut build = cargo(root, ["test", "--locked", "--workspace"]);
    build
        .env("CARGO_TARGET_DIR", &directory)
        .envs(instrumented.iter().map(|(name, value)| (name, value)));
    let tests = test_programs::build(build)?;
    binary::reuse(directory.join("debug/posthorn"));
    let profile = instrumented.iter().find(|(name, _)| name == PROFILE);
    let (_, profile) = profile.ok_or_else(|| format!("cargo llvm-cov sets no {PROFILE}"))?;
    side_by_side::run(root, tests, |program| {
        with_test_environment(program).env(PROFILE, profile);
    })?;
    let mut report = cargo(root, ["llvm-cov", "report"]);
    report.args([
        // A server that a test kills while it ends leaves half a profile, which is left out.
        "--failure-mode",
        "all",
        "--ignore-filename-regex",
        IGNORED,
        "--fail-under-lines",
        FLOOR,
    ]);
    run_command(llvm.configure(&mut report))
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
