//! `cargo xtask test`: every test of the workspace, including those in doc comments.

use std::path::Path;

use crate::shell::{cargo, run as run_command};
use crate::tidy::sources;

/// The crates whose tests start servers or a browser, and take minutes.
const SLOW: [&str; 2] = ["posthorn", "posthorn-redis"];

/// Which tests to run.
#[derive(Debug, clap::Args)]
pub(crate) struct TestOptions {
    /// Run only tests with this in their name.
    filter: Option<String>,
    /// Run only the tests of this crate; may be repeated.
    #[arg(short, long, value_name = "CRATE")]
    package: Vec<String>,
    /// Leave out the crates whose tests start servers or a browser.
    #[arg(long, conflicts_with = "package")]
    fast: bool,
}

/// Runs the tests; without options all of them, and builds the examples.
pub(crate) fn run(root: &Path, options: &TestOptions) -> Result<(), String> {
    let mut command = cargo(root, ["test", "--locked"]);
    if options.package.is_empty() {
        command.arg("--workspace");
    }
    for package in &options.package {
        command.args(["--package", package]);
    }
    if options.fast {
        command.args(SLOW.map(|package| format!("--exclude={package}")));
    }
    command.args(&options.filter);
    // A snapshot that differs fails its test; `cargo insta` or `INSTA_UPDATE` rewrites it.
    command.env(
        "INSTA_UPDATE",
        std::env::var_os("INSTA_UPDATE").unwrap_or("no".into()),
    );
    run_command(&mut command)
}

/// Runs the examples in doc comments, which coverage does not run. Without examples nothing is
/// built.
pub(crate) fn run_doc_tests(root: &Path) -> Result<(), String> {
    let files = sources::read(root)?;
    let mut rust = files.iter().filter(|file| file.is_rust());
    if !rust.any(|file| has_doc_test(&file.text)) {
        println!("no doc comment has an example");
        return Ok(());
    }
    run_command(&mut cargo(
        root,
        ["test", "--locked", "--workspace", "--doc"],
    ))
}

/// True if a doc comment opens a block of Rust code.
fn has_doc_test(text: &str) -> bool {
    let comments = text.lines().map(str::trim_start);
    let comments =
        comments.filter_map(|line| line.strip_prefix("///").or(line.strip_prefix("//!")));
    let mut open = false;
    for comment in comments {
        let Some(language) = comment.trim().strip_prefix("```") else {
            continue;
        };
        open = !open;
        let mut words = language.split(',');
        let other = |word: &str| !matches!(word, "" | "rust" | "no_run" | "should_panic");
        if open && !words.any(other) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: bool) {
        assert_eq!(has_doc_test(text), expected, "{text}");
    }

    #[test]
    fn a_block_of_rust_in_a_doc_comment_is_found() {
        check(
            "/// Adds.\n/// ```\n/// add(1, 2);\n/// ```\nfn add() {}",
            true,
        );
        check("    //! ```no_run\n    //! add(1, 2);\n    //! ```", true);
    }

    #[test]
    fn other_blocks_are_none() {
        check("/// ```text\n/// a picture\n/// ```\nfn f() {}", false);
        check("let text = \"```\";", false);
        check("// ```\n// add(1, 2);\n// ```", false);
    }
}
