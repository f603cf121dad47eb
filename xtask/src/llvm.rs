//! LLVM's coverage tools, in a version that reads this toolchain's profiles.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::apt::install_packages;
use crate::shell::{capture, succeeds};

/// Debian's package: LLVM of the version that the toolchain was built with.
pub(crate) const PACKAGE: &str = "llvm-22";

/// The two programs that cargo-llvm-cov runs. It always gets their paths: without them it would
/// change the toolchain.
#[derive(Debug)]
pub(crate) struct Llvm {
    pub(crate) cov: PathBuf,
    pub(crate) profdata: PathBuf,
}

impl Llvm {
    /// Hands the paths to a command of cargo-llvm-cov.
    pub(crate) fn configure<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("LLVM_COV", &self.cov)
            .env("LLVM_PROFDATA", &self.profdata)
    }
}

/// Finds the programs, or installs them: by apt, or as the toolchain's own component where the
/// system has no such package.
pub(crate) fn ensure() -> Result<Llvm, String> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let by_apt = install_packages(&[PACKAGE]);
    if by_apt.is_err() {
        let mut rustup = Command::new("rustup");
        if !succeeds(rustup.args(["component", "add", "llvm-tools"])) {
            println!("`rustup component add llvm-tools` failed");
        }
    }
    find().ok_or_else(|| match by_apt {
        Err(error) => format!("{error}; or `rustup component add llvm-tools`"),
        Ok(()) => format!("{PACKAGE} is installed, but /usr/bin/llvm-cov-22 is absent"),
    })
}

/// The installed programs.
pub(crate) fn find() -> Option<Llvm> {
    let system = Llvm {
        cov: PathBuf::from("/usr/bin/llvm-cov-22"),
        profdata: PathBuf::from("/usr/bin/llvm-profdata-22"),
    };
    let toolchain = || {
        let directory = capture(Command::new("rustc").args(["--print", "target-libdir"])).ok()?;
        let directory = Path::new(directory.trim()).parent()?.join("bin");
        Some(Llvm {
            cov: directory.join("llvm-cov"),
            profdata: directory.join("llvm-profdata"),
        })
    };
    let exists = |llvm: &Llvm| llvm.cov.is_file() && llvm.profdata.is_file();
    Some(system)
        .filter(exists)
        .or_else(|| toolchain().filter(exists))
}
