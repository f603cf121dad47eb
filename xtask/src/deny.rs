//! `cargo xtask deny`: licences, banned crates and sources of all dependencies, by `deny.toml`; and advisories, where their
//! database can be had.

use std::path::Path;

use crate::programs;
use crate::shell::{cargo, run as run_command};

/// Checks what needs no network.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    check(root, &["--offline"], &["licenses", "bans", "sources"])
}

/// Checks the advisories of the `RustSec` database too, which is fetched.
pub(crate) fn run_with_advisories(root: &Path) -> Result<(), String> {
    run(root)?;
    check(root, &[], &["advisories"])
}

fn check(root: &Path, options: &[&str], checks: &[&str]) -> Result<(), String> {
    programs::ensure_cargo_tool(&programs::CARGO_DENY)?;
    // It reads the crates of every platform; a build downloads those of this one alone.
    run_command(&mut cargo(root, ["fetch", "--locked"]))?;
    let mut command = cargo(root, ["deny", "--locked", "--workspace"]);
    command.args(options).arg("check");
    // The graphs of crates that are there in two versions would fill pages.
    run_command(command.arg("--hide-inclusion-graph").args(checks))
}
