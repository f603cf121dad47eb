//! The variables by which cargo-llvm-cov instruments a build that it does not run itself.

use std::path::Path;

use crate::llvm::Llvm;
use crate::shell::{capture, cargo};

/// Asks cargo-llvm-cov for the variables of builds in `target`, the directory that cargo builds into.
///
/// # Errors
/// cargo-llvm-cov fails.
pub(super) fn read(
    root: &Path,
    target: &Path,
    llvm: &Llvm,
) -> Result<Vec<(String, String)>, String> {
    let mut command = cargo(root, ["llvm-cov", "show-env"]);
    let printed = capture(llvm.configure(command.env("CARGO_TARGET_DIR", target)))?;
    Ok(printed.lines().filter_map(variable).collect())
}

/// Reads `NAME=value`, whose value is quoted as for a shell.
fn variable(line: &str) -> Option<(String, String)> {
    let (name, quoted) = line.split_once('=')?;
    let (mut value, mut rest, mut is_open) = (String::new(), quoted.chars(), false);
    while let Some(character) = rest.next() {
        match character {
            '\'' => is_open = !is_open,
            // Outside of quotes only: a quotation mark is written as `'\''`.
            '\\' if !is_open => value.extend(rest.next()),
            _ => value.push(character),
        }
    }
    Some((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, name: &str, value: &str) {
        assert_eq!(variable(line), Some((name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_value_loses_its_quotes() {
        check(
            "RUSTC_WRAPPER=/bin/wrapper",
            "RUSTC_WRAPPER",
            "/bin/wrapper",
        );
        check(
            "FLAGS='-C a=b --cfg=coverage'",
            "FLAGS",
            "-C a=b --cfg=coverage",
        );
        check(r"NAME='it'\''s a\b'", "NAME", r"it's a\b");
        assert_eq!(variable("no variable"), None);
    }
}
