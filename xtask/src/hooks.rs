//! `cargo xtask hooks`: installs a git hook that runs the quick checks before each commit.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::output;

/// The hook. Its first lines mark it as ours, so that it may be replaced.
const PRE_COMMIT: &str = "#!/bin/sh
# Installed by `cargo xtask hooks`. `git commit --no-verify` skips it.
set -e
cargo xtask fmt --check
cargo xtask tidy
cargo xtask arch
";

/// Writes the pre-commit hook.
///
/// # Errors
/// There is another pre-commit hook already.
pub(crate) fn install(root: &Path) -> Result<(), String> {
    let mut git = Command::new("git");
    let printed = output(
        git.current_dir(root)
            .args(["rev-parse", "--git-path", "hooks"]),
    )?;
    write(&root.join(printed.trim()))?;
    println!("each commit now runs `cargo xtask fmt --check`, `tidy` and `arch`");
    Ok(())
}

fn write(directory: &Path) -> Result<(), String> {
    let hook = directory.join("pre-commit");
    let failed = |error: std::io::Error| format!("{}: {error}", hook.display());
    let is_ours = |text: String| text.contains("cargo xtask hooks");
    if hook.exists() && !std::fs::read_to_string(&hook).is_ok_and(is_ours) {
        return Err(format!(
            "{} is another hook; remove it first",
            hook.display()
        ));
    }
    std::fs::create_dir_all(directory).map_err(failed)?;
    std::fs::write(&hook, PRE_COMMIT).map_err(failed)?;
    make_executable(&hook).map_err(failed)
}

#[cfg(unix)]
fn make_executable(hook: &PathBuf) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(hook, std::fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_executable(_: &PathBuf) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hook_is_written_and_another_one_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let hook = directory.path().join("hooks/pre-commit");
        write(&directory.path().join("hooks")).unwrap();
        write(&directory.path().join("hooks")).unwrap();
        assert_eq!(std::fs::read_to_string(&hook).unwrap(), PRE_COMMIT);
        std::fs::write(&hook, "#!/bin/sh\nexit 1\n").unwrap();
        assert!(write(&directory.path().join("hooks")).is_err());
        assert_eq!(
            std::fs::read_to_string(&hook).unwrap(),
            "#!/bin/sh\nexit 1\n"
        );
    }
}
