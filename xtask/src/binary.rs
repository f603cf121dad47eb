//! Builds the server, and finds the result.

use std::path::{Path, PathBuf};

use crate::shell::{cargo, output, run};

/// Builds the server in the profile `dev` and returns its path.
pub(crate) fn debug(root: &Path) -> Result<PathBuf, String> {
    let arguments = ["build", "--quiet", "--locked", "--package", "posthorn"];
    output(&mut cargo(root, arguments))?;
    Ok(target_directory(root).join("debug/posthorn"))
}

/// Builds `package` in the profile of images and returns the directory of the result. `target` is
/// `--bin` or `--example` and the name.
pub(crate) fn dist(root: &Path, package: &str, target: [&str; 2]) -> Result<PathBuf, String> {
    let mut build = cargo(root, ["build", "--profile", "dist", "--locked"]);
    run(build.args(["--package", package]).args(target))?;
    Ok(target_directory(root).join("dist"))
}

/// The directory that cargo builds into.
fn target_directory(root: &Path) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR");
    target.map_or_else(|| root.join("target"), |directory| root.join(directory))
}
