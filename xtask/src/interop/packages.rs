//! The packages of `PyPI` and npm that the checks use, installed into `target/interop` at pinned versions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::programs::{create_venv, ensure_package};
use crate::shell::output;

const PYTHON: &str = include_str!("requirements.txt");
const NODE: &str = include_str!("package.json");

/// The installed packages.
#[derive(Debug)]
pub(crate) struct Packages {
    directory: PathBuf,
}

impl Packages {
    /// Installs absent packages. A second call does nothing until a version changes.
    pub(crate) fn install(root: &Path) -> Result<Self, String> {
        let directory = root.join("target/interop");
        let packages = Self { directory };
        let stamp = packages.path("installed.txt");
        let wanted = [PYTHON, NODE].concat();
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            return Ok(packages);
        }
        for (program, package) in [("node", "nodejs"), ("npm", "npm")] {
            ensure_package(program, package)?;
        }
        if packages.directory.exists() {
            fs::remove_dir_all(&packages.directory).map_err(|error| error.to_string())?;
        }
        create_venv(&packages.directory)?;
        let requirements = packages.write("requirements.txt", PYTHON)?;
        packages.write("package.json", NODE)?;
        output(
            packages
                .program("python")
                .args(["-m", "pip", "install", "--quiet"])
                .args(["--disable-pip-version-check", "--requirement"])
                .arg(requirements),
        )?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--ignore-scripts", "--no-audit"]);
        npm.args(["--no-fund", "--prefix"]).arg(&packages.directory);
        output(&mut npm)?;
        fs::write(&stamp, wanted).map_err(|error| error.to_string())?;
        Ok(packages)
    }

    /// A path beside the packages.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Writes a file beside the packages, where a script finds them. The same text is not written again: cargo would
    /// compile it anew.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf, String> {
        let path = self.path(name);
        if fs::read_to_string(&path).is_ok_and(|written| written == text) {
            return Ok(path);
        }
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }

    /// A program of a Python package, or Python itself.
    pub(super) fn program(&self, name: &str) -> Command {
        Command::new(self.path("bin").join(name))
    }

    /// Python with a script.
    pub(super) fn python(&self, name: &str, script: &str) -> Result<Command, String> {
        let path = self.write(name, script)?;
        let mut command = self.program("python");
        command.arg(path).current_dir(&self.directory);
        Ok(command)
    }

    /// Node with a script.
    pub(super) fn node(&self, name: &str, script: &str) -> Result<Command, String> {
        let path = self.write(name, script)?;
        let mut command = Command::new("node");
        command.arg(path).current_dir(&self.directory);
        Ok(command)
    }
}
