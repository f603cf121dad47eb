//! `cargo xtask layers`: compiles each crate alone, so that none needs a feature that only another
//! crate enables.

use std::path::Path;

use crate::arch;
use crate::shell::{cargo, run as run_command};

/// Checks every member of the workspace, one run of cargo for each.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    for package in arch::members(root)? {
        run_command(&mut cargo(
            root,
            ["check", "--locked", "--package", &package],
        ))?;
    }
    Ok(())
}
