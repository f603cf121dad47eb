//! The systemd unit, as `systemd-analyze verify` sees it where that is installed.

use std::path::Path;
use std::process::Command;

use crate::shell::{has_program, output};

/// The program of the unit, which need not be installed here.
const PROGRAM: &str = "/usr/local/bin/posthorn";

/// Violations in `deploy/systemd/posthorn.service`.
pub(super) fn violations(root: &Path) -> Result<Vec<String>, String> {
    if !has_program("systemd-analyze") {
        println!("systemd-analyze is not installed: the unit is not checked");
        return Ok(Vec::new());
    }
    let failed = |error: std::io::Error| error.to_string();
    let unit = root.join("deploy/systemd/posthorn.service");
    let text = std::fs::read_to_string(unit).map_err(failed)?;
    let directory = tempfile::tempdir().map_err(failed)?;
    let copy = directory.path().join("posthorn.service");
    std::fs::write(&copy, text.replace(PROGRAM, "/bin/true")).map_err(failed)?;
    let mut verify = Command::new("systemd-analyze");
    // Without the last option a misspelt directive is only a warning.
    verify.args(["verify", "--man=no", "--recursive-errors=no"]);
    verify.arg(copy);
    Ok(output(&mut verify).err().into_iter().collect())
}
