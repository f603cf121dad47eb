//! Runs other programs. An error names the command that failed.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The cargo that runs this command, in the workspace's directory.
pub(crate) fn cargo<S: AsRef<OsStr>>(
    root: &Path,
    arguments: impl IntoIterator<Item = S>,
) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root).args(arguments);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_of_this_package) {
            command.env_remove(name);
        }
    }
    command
}

/// True for the variables by which `cargo run` describes xtask. The build script of ring watches them:
/// if they reached the inner cargo, ring and its dependents would be built anew whenever a person
/// changes from `cargo xtask` to `cargo` and back.
fn is_of_this_package(variable: &str) -> bool {
    let prefixes = [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
        "CARGO_PRIMARY_",
    ];
    prefixes.iter().any(|prefix| variable.starts_with(prefix))
}

/// Runs `command` to its end and shows what it prints.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    println!("$ {}", shown(command));
    let status = command.stdin(Stdio::null()).status();
    let status = status.map_err(|error| format!("{}: {error}", shown(command)))?;
    if status.success() {
        return Ok(());
    }
    Err(format!("{}: {status}", shown(command)))
}

/// Runs `command` to its end and returns what it printed to standard output.
pub(crate) fn capture(command: &mut Command) -> Result<String, String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output();
    let output = output.map_err(|error| format!("{}: {error}", shown(command)))?;
    if !output.status.success() {
        return Err(format!("{}: {}", shown(command), output.status));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("{}: {error}", shown(command)))
}

/// Runs `command` to its end and returns its standard output.
///
/// # Errors
/// The status and all output of a command that fails; nothing of it is shown otherwise.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!(
        "{program}: {}\n{}\n{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    ))
}

/// As [`capture`], but standard error is not shown and the status does not matter: for `--version`.
pub(crate) fn capture_quietly(command: &mut Command) -> Result<String, String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// True if `command` can be run and succeeds. Its output is not shown.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let command = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// True if a program of that name is on the `PATH` or in `/usr/sbin`.
pub(crate) fn has_program(name: &str) -> bool {
    find_program(name).is_some()
}

/// The path of the program of that name on the `PATH` or in `/usr/sbin`.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let mut programs = directories.map(|directory| directory.join(name));
    programs.find(|program| program.is_file())
}

/// The command as a person would type it, without the program's directory.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(program).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_command() {
        let error = run(&mut Command::new("false")).unwrap_err();
        assert!(error.starts_with("false: "), "{error}");
    }

    #[test]
    fn an_absent_program_is_named() {
        let error = capture(&mut Command::new("no-such-program-here")).unwrap_err();
        assert!(error.starts_with("no-such-program-here: "), "{error}");
        assert!(!has_program("no-such-program-here"));
        assert!(has_program("sh"));
    }
}
