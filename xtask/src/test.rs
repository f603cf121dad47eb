//! `cargo xtask test`: every test of the workspace, including those in doc comments.

pub(crate) mod programs;
pub(crate) mod side_by_side;

use std::path::Path;
use std::process::Command;

use crate::receivers;
use crate::shell::{cargo, run as run_command};
use crate::tidy::sources;

/// The crates whose tests start servers or a browser, and take minutes.
const SLOW: [&str; 2] = ["posthorn", "posthorn-redis"];

/// The tests of one program that run at once. Most wait for servers, so there are more than processors.
const THREADS: &str = "4";

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
    if !options.fast {
        receivers::ensure(root)?;
    }
    let programs = programs::build(command)?;
    let tests = side_by_side::run(root, programs, |program| {
        with_test_environment(program).args(&options.filter);
    });
    if !options.package.is_empty() || options.filter.is_some() {
        return tests;
    }
    // Both run, and the first error is returned.
    let examples = run_doc_tests(root);
    tests.and(examples)
}

/// Sets what a run of tests needs where the environment does not: the number of threads, and that a
/// snapshot that differs fails its test instead of being rewritten.
pub(crate) fn with_test_environment(command: &mut Command) -> &mut Command {
    for (name, default) in [("RUST_TEST_THREADS", THREADS), ("INSTA_UPDATE", "no")] {
        if std::env::var_os(name).is_none() {
            command.env(name, default);
        }
    }
    command
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
        ["test", "--locked", "--no-fail-fast", "--workspace", "--doc"],
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
