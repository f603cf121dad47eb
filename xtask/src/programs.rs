//! Programs that the commands use: installed by apt or by cargo where they are absent, or named in the
//! error with the command that installs them.

use std::path::Path;
use std::process::Command;

use crate::apt::install_packages;
use crate::shell::{self, has_program, run as run_command, succeeds};

pub(crate) const CARGO_DENY: CargoTool = CargoTool {
    name: "cargo-deny",
    version: "0.20.2",
};
pub(crate) const CARGO_LLVM_COV: CargoTool = CargoTool {
    name: "cargo-llvm-cov",
    version: "0.9.1",
};

/// A program that cargo installs, at exactly one version.
#[derive(Debug)]
pub(crate) struct CargoTool {
    name: &'static str,
    version: &'static str,
}

/// Installs the Debian package `package` unless the program `program` is installed.
pub(crate) fn ensure_package(program: &str, package: &str) -> Result<(), String> {
    if has_program(program) {
        return Ok(());
    }
    install_packages(&[package])
}

/// Creates a virtual environment of Python.
pub(crate) fn create_venv(directory: &Path) -> Result<(), String> {
    let mut modules = Command::new("python3");
    if !succeeds(modules.args(["-c", "import venv, ensurepip"])) {
        install_packages(&["python3-venv"])?;
    }
    let mut create = Command::new("python3");
    shell::output(create.args(["-m", "venv"]).arg(directory)).map(drop)
}

impl CargoTool {
    /// True if exactly this version is installed.
    pub(crate) fn is_installed(&self) -> bool {
        let Self { name, version } = self;
        let subcommand = name.strip_prefix("cargo-").unwrap_or(name);
        // Cargo passes its tools their own name as the first argument.
        let printed = shell::capture_quietly(Command::new(name).args([subcommand, "--version"]));
        printed.is_ok_and(|text| is_version(&text, version))
    }

    /// The name and the version, as `cargo install` takes them.
    pub(crate) fn wanted(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// Installs a cargo tool unless exactly that version is installed.
pub(crate) fn ensure_cargo_tool(tool: &CargoTool) -> Result<(), String> {
    if tool.is_installed() {
        return Ok(());
    }
    let wanted = tool.wanted();
    run_command(&mut shell::cargo(
        Path::new("."),
        ["install", "--locked", &wanted],
    ))
    .map_err(|error| format!("{error}; install it by `cargo install --locked {wanted}`"))
}

/// True if `text` is the output of `--version` of exactly that version.
fn is_version(text: &str, version: &str) -> bool {
    text.split_whitespace().nth(1) == Some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_version_counts() {
        assert!(is_version("cargo-deny 0.20.2\n", "0.20.2"));
        assert!(!is_version("cargo-deny 0.20.20\n", "0.20.2"));
        assert!(!is_version("", "0.20.2"));
    }
}
