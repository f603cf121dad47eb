//! `cargo xtask lint`: clippy over everything, tests and examples too; a warning is an error.

use std::path::Path;

use crate::shell::{cargo, run as run_command};

const ARGUMENTS: [&str; 7] = [
    "clippy",
    "--locked",
    "--workspace",
    "--all-targets",
    "--",
    "-D",
    "warnings",
];

/// Runs clippy with the lints of the workspace.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    run_command(&mut cargo(root, ARGUMENTS))
}
