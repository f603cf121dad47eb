//! `cargo xtask coverage`: runs every test once and measures which lines of the product they reach.

use std::path::Path;

use crate::shell::{cargo, run as run_command};
use crate::{llvm, setup};

/// The least share of lines that the tests reach, in percent. It is raised when the share has
/// risen, and never lowered: a change that falls below it comes with its tests.
const FLOOR: &str = "90";

/// What is not the product: the contributor commands, the tests' own tools, tests and examples.
const IGNORED: &str = r"(^|/)((xtask|crates/testkit|examples|benches)/|tests(/|\.rs$))";

/// Runs the tests and prints the table; fails below the floor.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    measure(root, &["--workspace"])
}

fn measure(root: &Path, packages: &[&str]) -> Result<(), String> {
    setup::ensure_cargo_tool(&setup::CARGO_LLVM_COV)?;
    let llvm = llvm::ensure()?;
    let mut command = cargo(root, ["llvm-cov", "--locked"]);
    command.args(packages);
    command.args([
        "--ignore-filename-regex",
        IGNORED,
        "--fail-under-lines",
        FLOOR,
    ]);
    run_command(
        command
            .env("LLVM_COV", llvm.cov)
            .env("LLVM_PROFDATA", llvm.profdata),
    )
}
