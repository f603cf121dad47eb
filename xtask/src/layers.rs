//! `cargo xtask layers`: compiles each crate alone, so that none needs a feature that only another
//! crate enables.

use std::path::Path;

use crate::arch::{self, Member};
use crate::shell::{cargo, run as run_command};

/// Checks the members of the workspace, one run of cargo for each.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let mut members = members(root)?.into_iter();
    members.try_for_each(|member| check(root, &member.name))
}

/// The members to check: all but xtask, which runs, so cargo has compiled it alone.
pub(crate) fn members(root: &Path) -> Result<Vec<Member>, String> {
    let mut members = arch::members(root)?;
    members.retain(|member| member.name != env!("CARGO_PKG_NAME"));
    Ok(members)
}

/// Compiles `package` with the features that it and its dependencies ask for, and no others.
pub(crate) fn check(root: &Path, package: &str) -> Result<(), String> {
    run_command(&mut cargo(
        root,
        ["check", "--locked", "--package", package],
    ))
}
