//! The libraries of Standard Webhooks with which the receivers of `docs/WEBHOOKS.md` verify, installed
//! into `target/receivers`. Both are small and bring next to nothing along.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::programs::{create_venv, ensure_package};
use crate::shell::output;

const PYTHON: &str = "standardwebhooks==1.1.0";
const NODE: &str = "standardwebhooks@1.1.1";

/// Installs absent libraries. A second call does nothing until a version changes.
pub(crate) fn ensure(root: &Path) -> Result<(), String> {
    let directory = root.join("target/receivers");
    let (stamp, wanted) = (
        directory.join("installed.txt"),
        format!("{PYTHON}\n{NODE}\n"),
    );
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    for (program, package) in [("node", "nodejs"), ("npm", "npm")] {
        ensure_package(program, package)?;
    }
    if directory.exists() {
        fs::remove_dir_all(&directory).map_err(|error| error.to_string())?;
    }
    let (python, node) = (directory.join("python"), directory.join("node"));
    fs::create_dir_all(&node).map_err(|error| error.to_string())?;
    create_venv(&python)?;
    output(
        Command::new(python.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--no-deps"])
            .args(["--disable-pip-version-check", PYTHON]),
    )?;
    output(
        Command::new("npm")
            .args([
                "install",
                "--silent",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
            ])
            .arg("--prefix")
            .arg(&node)
            .arg(NODE),
    )?;
    fs::write(&stamp, wanted).map_err(|error| error.to_string())
}
