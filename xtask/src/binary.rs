//! Builds the server, and finds the result.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::shell::{cargo, output, run};

/// The server that a step of this run has built with its tests.
static BUILT: OnceLock<PathBuf> = OnceLock::new();
/// The variable with the server for a step that runs in a process of its own.
const SERVER: &str = "XTASK_SERVER";

/// Lets the steps after this one use the server at `path`, so that they need not build one.
pub(crate) fn reuse(path: PathBuf) {
    // Only `ci` runs several steps, and one of them builds the server.
    let _ = BUILT.set(path);
}

/// Lets `xtask`, another process of this program, use the server that a step of this one has built.
pub(crate) fn pass_on(xtask: &mut Command) {
    if let Some(path) = BUILT.get() {
        xtask.env(SERVER, path);
    }
}

/// The server with an empty environment.
pub(crate) fn server(path: &Path) -> Command {
    let mut command = Command::new(path);
    // A server that coverage has built would write its profile into the working directory.
    command.env_clear().env("LLVM_PROFILE_FILE", "/dev/null");
    command
}

/// Builds the server in the profile `dev`, unless an earlier step has, and returns its path.
pub(crate) fn debug(root: &Path) -> Result<PathBuf, String> {
    let passed_on = || std::env::var_os(SERVER).map(PathBuf::from);
    if let Some(path) = BUILT.get().cloned().or_else(passed_on) {
        return Ok(path);
    }
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
pub(crate) fn target_directory(root: &Path) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR");
    target.map_or_else(|| root.join("target"), |directory| root.join(directory))
}
