//! `cargo xtask fmt`: formats the code, or checks that it is formatted.

use std::path::Path;

use crate::shell::{cargo, run as run_command};

/// Formats every crate; with `check` it changes nothing and fails if something would change.
pub(crate) fn run(root: &Path, check: bool) -> Result<(), String> {
    let check = if check {
        ["--", "--check"].as_slice()
    } else {
        &[]
    };
    run_command(cargo(root, ["fmt", "--all"]).args(check))
}
