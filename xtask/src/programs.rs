//! Programs that the commands use: installed by apt or by cargo where they are absent, or named in the
//! error with the command that installs them.

use std::path::Path;
use std::process::Command;
use std::sync::Once;

use crate::shell::{self, has_program, run as run_command, succeeds};

pub(crate) const CARGO_DENY: CargoTool = CargoTool {
    name: "cargo-deny",
    version: "0.20.2",
};
pub(crate) const CARGO_LLVM_COV: CargoTool = CargoTool {
    name: "cargo-llvm-cov",
    version: "0.9.1",
};

/// The lists of packages are fetched once in a run.
static LISTS: Once = Once::new();

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
    install_package(package)
}

/// Installs a Debian package. A service in the package may start; no command relies on it.
pub(crate) fn install_package(package: &str) -> Result<(), String> {
    let by_hand =
        || format!("install {package}: `apt-get install --no-install-recommends {package}`");
    if !has_program("apt-get") {
        return Err(format!("{}, or the same package of your system", by_hand()));
    }
    let Some(apt) = privileged_apt() else {
        return Err(by_hand());
    };
    // The lists may be old or absent. The installation below decides.
    LISTS.call_once(|| {
        if run_command(apt().args(["update", "--quiet"])).is_err() {
            println!("the lists of packages could not be updated");
        }
    });
    run_command(apt().args(["install", "--yes", "--no-install-recommends", package]))
        .map_err(|error| format!("{error}; {}", by_hand()))
}

/// A function that makes an `apt-get` command with root's rights: as root, or by a `sudo` that needs no
/// password. `None` without either.
fn privileged_apt() -> Option<fn() -> Command> {
    let user = shell::capture(Command::new("id").arg("-u")).unwrap_or_default();
    if user.trim() == "0" {
        return Some(|| {
            let mut command = Command::new("apt-get");
            command.env("DEBIAN_FRONTEND", "noninteractive");
            command
        });
    }
    succeeds(Command::new("sudo").args(["--non-interactive", "true"])).then_some(|| {
        let mut command = Command::new("sudo");
        command.args([
            "--non-interactive",
            "DEBIAN_FRONTEND=noninteractive",
            "apt-get",
        ]);
        command
    })
}

/// Creates a virtual environment of Python.
pub(crate) fn create_venv(directory: &Path) -> Result<(), String> {
    let mut modules = Command::new("python3");
    if !succeeds(modules.args(["-c", "import venv, ensurepip"])) {
        install_package("python3-venv")?;
    }
    let mut create = Command::new("python3");
    shell::output(create.args(["-m", "venv"]).arg(directory)).map(drop)
}

/// Installs a cargo tool unless exactly that version is installed.
pub(crate) fn ensure_cargo_tool(tool: &CargoTool) -> Result<(), String> {
    let CargoTool { name, version } = tool;
    let subcommand = name.strip_prefix("cargo-").unwrap_or(name);
    // Cargo passes its tools their own name as the first argument.
    let printed = shell::capture_quietly(Command::new(name).args([subcommand, "--version"]));
    if printed.is_ok_and(|text| is_version(&text, version)) {
        return Ok(());
    }
    let wanted = format!("{name}@{version}");
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
