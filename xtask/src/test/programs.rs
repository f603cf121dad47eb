//! The test programs of the workspace, as cargo builds them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::shell;

/// A built test program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TestProgram {
    /// The crate and the target, such as `posthorn it`.
    pub(crate) name: String,
    /// The executable.
    pub(crate) path: PathBuf,
    /// The directory of the crate, in which cargo runs it.
    pub(crate) directory: PathBuf,
}

/// Builds the test programs by `cargo test` with `--no-run`.
///
/// # Errors
/// They do not compile.
pub(crate) fn build(mut cargo_test: Command) -> Result<Vec<TestProgram>, String> {
    cargo_test.args(["--no-run", "--message-format=json-render-diagnostics"]);
    let messages = shell::capture(&mut cargo_test)?;
    Ok(messages.lines().filter_map(read).collect())
}

/// Reads a message of cargo; `None` if it is not about a test program.
fn read(line: &str) -> Option<TestProgram> {
    let message: Value = serde_json::from_str(line).ok()?;
    let is_test = message.pointer("/profile/test") == Some(&Value::Bool(true));
    let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str);
    let path = text("/executable").filter(|_| is_test)?;
    let directory = Path::new(text("/manifest_path")?).parent()?;
    let package = text("/package_id")?;
    // `path+file:///…/crates/client#posthorn-client@0.1.0`, or without a name if it is the directory's.
    let package = package.rsplit(['#', '/']).next().unwrap_or(package);
    let package = package.split('@').next().unwrap_or(package);
    let package = if package.starts_with(|first: char| first.is_ascii_digit()) {
        directory.file_name()?.to_str()?
    } else {
        package
    };
    Some(TestProgram {
        name: format!("{package} {}", text("/target/name")?),
        path: PathBuf::from(path),
        directory: directory.to_path_buf(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_test_programs_are_read() {
        let message = |id: &str, test: bool| {
            serde_json::json!({
                "reason": "compiler-artifact", "package_id": id, "manifest_path": "/w/crates/client/Cargo.toml",
                "target": { "name": "it" }, "profile": { "test": test }, "executable": "/w/target/it-1",
            })
            .to_string()
        };
        for (id, name) in [
            (
                "path+file:///w/crates/client#posthorn-client@0.1.0",
                "posthorn-client it",
            ),
            ("path+file:///w/crates/client#0.1.0", "client it"),
        ] {
            let found = read(&message(id, true)).unwrap();
            assert_eq!(found.name, name);
            assert_eq!(found.directory, Path::new("/w/crates/client"));
        }
        assert_eq!(read(&message("a#b@1", false)), None);
        assert_eq!(read("not JSON"), None);
    }
}
