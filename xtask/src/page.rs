//! `cargo xtask page`: checks the types of the inbox page's scripts, and runs the tests of their pure parts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::programs::ensure_package;
use crate::shell::{output, run as run_command};

const COMPILER: &str = "typescript@5.9.3";
const ASSETS: &str = "crates/delivery/http/assets";

/// Runs the checks and the tests.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    for (program, package) in [("node", "nodejs"), ("npm", "npm")] {
        ensure_package(program, package)?;
    }
    let compiler = install(root)?;
    let assets = root.join(ASSETS);
    run_command(
        Command::new("node")
            .arg(compiler)
            .arg("--project")
            .arg(assets.join("tsconfig.json")),
    )?;
    println!("types: passed");
    run_command(
        Command::new("node")
            .args(["--test", "--test-reporter=dot"])
            .args(files(&assets.join("tests"))?),
    )
}

/// Installs the compiler, once for each version, and returns the script that runs it.
fn install(root: &Path) -> Result<PathBuf, String> {
    let directory = root.join("target/page");
    let stamp = directory.join("installed.txt");
    if !fs::read_to_string(&stamp).is_ok_and(|installed| installed == COMPILER) {
        fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--no-save", "--ignore-scripts"])
            .args(["--no-audit", "--no-fund", "--prefix"]);
        output(npm.arg(&directory).arg(COMPILER))?;
        fs::write(&stamp, COMPILER).map_err(|error| error.to_string())?;
    }
    Ok(directory.join("node_modules/typescript/bin/tsc"))
}

/// The files of a directory, in the order of their names.
fn files(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(directory).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
