//! `cargo xtask setup`: installs the programs that the other commands use, or names exactly what to
//! install where it may not.

use std::path::Path;
use std::process::Command;
use std::sync::Once;

use crate::shell::{has_program, run as run_command, succeeds};
use crate::{llvm, shell};

pub(crate) const CARGO_DENY: CargoTool = CargoTool {
    name: "cargo-deny",
    version: "0.20.2",
};
pub(crate) const CARGO_LLVM_COV: CargoTool = CargoTool {
    name: "cargo-llvm-cov",
    version: "0.9.1",
};

/// Programs that the tests and the checks start, and the Debian packages they come from.
const PROGRAMS: [(&str, &str); 7] = [
    ("redis-server", "redis-server"),
    ("redis-sentinel", "redis-sentinel"),
    ("haproxy", "haproxy"),
    ("promtool", "prometheus"),
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
    ("pkill", "procps"),
];

/// The lists of packages are fetched once.
static LISTS: Once = Once::new();

/// A program that cargo installs, at exactly one version.
#[derive(Debug)]
pub(crate) struct CargoTool {
    name: &'static str,
    version: &'static str,
}

/// Installs what `cargo xtask ci` needs and this machine lacks.
pub(crate) fn run() -> Result<(), String> {
    let mut missing = Vec::new();
    for component in ["rustfmt", "clippy"] {
        missing.extend(check_component(component).err());
    }
    for (program, package) in PROGRAMS {
        missing.extend(ensure_package(program, package).err());
    }
    missing.extend(llvm::ensure().err());
    for tool in [&CARGO_LLVM_COV, &CARGO_DENY] {
        missing.extend(ensure_cargo_tool(tool).err());
    }
    if missing.is_empty() {
        println!("all programs are there");
        return Ok(());
    }
    Err(missing.join("\n"))
}

/// Installs the Debian package `package` unless the program `program` is there.
pub(crate) fn ensure_package(program: &str, package: &str) -> Result<(), String> {
    if has_program(program) {
        return Ok(());
    }
    install_package(package)
}

/// Installs a Debian package. A service that comes with it may start; nothing here relies on one.
pub(crate) fn install_package(package: &str) -> Result<(), String> {
    let by_hand =
        || format!("install {package}: `apt-get install --no-install-recommends {package}`");
    if !has_program("apt-get") {
        return Err(format!("{} or what your system calls it", by_hand()));
    }
    let Some(apt) = privileged_apt() else {
        return Err(by_hand());
    };
    // The lists may be old or absent; what counts is whether the package installs.
    LISTS.call_once(|| {
        if run_command(apt().args(["update", "--quiet"])).is_err() {
            println!("the lists of packages could not be updated");
        }
    });
    run_command(apt().args(["install", "--yes", "--no-install-recommends", package]))
        .map_err(|error| format!("{error}; {}", by_hand()))
}

/// How to run `apt-get` as root: as we are, or by a `sudo` that asks for no password.
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

/// Installs a tool of cargo's unless it is there at the very version.
pub(crate) fn ensure_cargo_tool(tool: &CargoTool) -> Result<(), String> {
    let CargoTool { name, version } = tool;
    let subcommand = name.strip_prefix("cargo-").unwrap_or(name);
    // Tools of cargo's are told their own name first.
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

/// Whether `text` is what a tool of that version prints: its name and its version.
fn is_version(text: &str, version: &str) -> bool {
    text.split_whitespace().nth(1) == Some(version)
}

/// `rust-toolchain.toml` asks for the components, but only rustup reads it.
fn check_component(component: &str) -> Result<(), String> {
    let subcommand = component.strip_prefix("rust").unwrap_or(component);
    if succeeds(&mut shell::cargo(Path::new("."), [subcommand, "--version"])) {
        return Ok(());
    }
    Err(format!(
        "this Rust toolchain has no {component}: `rustup component add {component}`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_version_counts() {
        assert!(is_version("cargo-deny 0.20.2\n", "0.20.2"));
        assert!(!is_version("cargo-deny 0.20.20\n", "0.20.2"));
        assert!(!is_version("", "0.20.2"));
    }
}
