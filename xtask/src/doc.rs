//! `cargo xtask doc`: builds the documentation of every crate; a warning is an error.

use std::path::Path;

use crate::shell::{cargo, run as run_command};

/// Builds the documentation.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let mut command = cargo(root, ["doc", "--locked", "--workspace", "--no-deps"]);
    run_command(command.env("RUSTDOCFLAGS", "-D warnings"))
}
