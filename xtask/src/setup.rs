//! `cargo xtask setup`: installs the programs that the other commands use, or names each package to
//! install by hand.

use std::path::Path;

use crate::llvm;
use crate::programs::{CARGO_DENY, CARGO_LLVM_COV, ensure_cargo_tool, ensure_package};
use crate::receivers;
use crate::shell::{cargo, succeeds};

/// Programs that the tests and the checks start, each with its Debian package.
const PROGRAMS: [(&str, &str); 11] = [
    ("redis-server", "redis-server"),
    ("redis-sentinel", "redis-sentinel"),
    ("haproxy", "haproxy"),
    ("promtool", "prometheus"),
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
    ("pkill", "procps"),
    // The workers of docs/CONSUMERS.md.
    ("curl", "curl"),
    ("jq", "jq"),
    ("node", "nodejs"),
    ("python3", "python3"),
];

/// Installs every program that `cargo xtask ci` needs and that is absent.
pub(crate) fn run(root: &Path) -> Result<(), String> {
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
    missing.extend(receivers::ensure(root).err());
    if missing.is_empty() {
        println!("all programs are installed");
        return Ok(());
    }
    Err(missing.join("\n"))
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
