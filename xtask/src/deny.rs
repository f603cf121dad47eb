//! `cargo xtask deny`: licences, banned crates and sources of all dependencies, by `deny.toml`.

use std::path::Path;

use crate::programs;
use crate::shell::{cargo, run as run_command};

/// Runs cargo-deny. Advisories are left out: they need the network.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    programs::ensure_cargo_tool(&programs::CARGO_DENY)?;
    // It reads the crates of every platform; a build downloads those of this one alone.
    run_command(&mut cargo(root, ["fetch", "--locked"]))?;
    let mut command = cargo(
        root,
        ["deny", "--locked", "--offline", "--workspace", "check"],
    );
    // The graphs of crates that are there in two versions would fill pages.
    run_command(command.args(["--hide-inclusion-graph", "licenses", "bans", "sources"]))
}
