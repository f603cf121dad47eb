//! `cargo xtask setup`: installs the programs that the other commands use, or names each package to
//! install by hand.

use std::path::Path;

use crate::apt::install_packages;
use crate::interop::packages::Packages;
use crate::llvm;
use crate::programs::{CARGO_DENY, CARGO_LLVM_COV, CargoTool, ensure_cargo_tool};
use crate::receivers;
use crate::shell::{cargo, has_program, succeeds};

/// Programs that the tests and the checks start, each with its Debian package.
const PROGRAMS: [(&str, &str); 11] = [
    ("redis-server", "redis-server"),
    ("haproxy", "haproxy"),
    ("promtool", "prometheus"),
    ("chromium-headless-shell", "chromium-headless-shell"),
    ("chromedriver", "chromium-driver"),
    ("pkill", "procps"),
    // The workers of docs/CONSUMERS.md.
    ("curl", "curl"),
    ("jq", "jq"),
    ("node", "nodejs"),
    ("python3", "python3"),
    ("wget", "wget"),
];

/// Installs every program that `cargo xtask ci` needs and that is absent, and says beforehand what that is.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let absent = PROGRAMS.iter().filter(|(program, _)| !has_program(program));
    let mut packages: Vec<&str> = absent.map(|(_, package)| *package).collect();
    if llvm::find().is_none() {
        packages.push(llvm::PACKAGE);
    }
    let tools: Vec<_> = [&CARGO_LLVM_COV, &CARGO_DENY]
        .into_iter()
        .filter(|tool| !tool.is_installed())
        .collect();
    announce(&packages, &tools);
    let mut missing = Vec::new();
    for component in ["rustfmt", "clippy"] {
        missing.extend(check_component(component).err());
    }
    let system: Vec<_> = packages
        .iter()
        .copied()
        .filter(|package| *package != llvm::PACKAGE)
        .collect();
    if !system.is_empty() {
        missing.extend(install_packages(&system).err());
    }
    // By itself: a system without this package has the toolchain's own programs.
    missing.extend(llvm::ensure().err());
    for tool in tools {
        missing.extend(ensure_cargo_tool(tool).err());
    }
    missing.extend(receivers::ensure(root).err());
    missing.extend(Packages::install(root).err());
    if missing.is_empty() {
        println!("all programs are installed");
        return Ok(());
    }
    Err(missing.join("\n"))
}

/// Prints what is absent and will be installed.
fn announce(packages: &[&str], tools: &[&CargoTool]) {
    if !packages.is_empty() {
        println!(
            "absent packages, installed by apt-get as root: {}",
            packages.join(" ")
        );
    }
    let tools: Vec<_> = tools.iter().map(|tool| tool.wanted()).collect();
    if !tools.is_empty() {
        println!(
            "absent tools, installed by cargo for this user: {}",
            tools.join(" ")
        );
    }
}

/// Fails if the toolchain lacks a component. `rust-toolchain.toml` names them, but only rustup reads it.
fn check_component(component: &str) -> Result<(), String> {
    let subcommand = component.strip_prefix("rust").unwrap_or(component);
    if succeeds(&mut cargo(Path::new("."), [subcommand, "--version"])) {
        return Ok(());
    }
    Err(format!(
        "this Rust toolchain has no {component}: `rustup component add {component}`"
    ))
}
