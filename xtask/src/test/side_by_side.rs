//! Runs test programs side by side. Most of them wait for servers, and cargo would run one after another.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::programs::TestProgram;
use crate::pool;

/// How long each program took in the last run, so that the longest start first.
const TIMES: &str = "target/test-times.txt";
/// The programs that take longest by far, the longest last: without times they start first.
const LONGEST: [&str; 3] = ["posthorn it", "posthorn-redis redis", "posthorn page"];

/// What the line starts with by which a test program counts its tests.
const SUMMARY: &str = "test result: ";

/// The outcome of one program.
struct ProgramOutcome {
    name: String,
    /// The line that counts its tests, such as `test result: ok. 12 passed; 0 failed; 0 ignored; …`.
    summary: String,
    /// What it printed, if it failed.
    failure: Option<String>,
    time: Duration,
}

/// Runs the programs, at most as many at once as there are processors, and two more. What a program prints is
/// shown at the end if it fails.
///
/// # Errors
/// The names of the programs that failed.
pub(crate) fn run(
    root: &Path,
    mut programs: Vec<TestProgram>,
    configure: impl Fn(&mut Command) + Sync,
) -> Result<(), String> {
    let mut times = read_times(root);
    // The longest come last. Among those without a time may be long ones.
    programs.sort_by_key(|program| {
        let time = times.get(&program.name).copied().unwrap_or(u64::MAX);
        (time, LONGEST.iter().position(|name| *name == program.name))
    });
    // The pool takes the first one first.
    programs.reverse();
    let done = pool::run(programs, pool::processors() + 2, |program| {
        let outcome = run_one(&program, &configure);
        report(&outcome);
        outcome
    });
    times.extend(done.iter().map(|one| {
        let millis = u64::try_from(one.time.as_millis()).unwrap_or(u64::MAX);
        (one.name.clone(), millis)
    }));
    write_times(root, &times);
    let failed: Vec<_> = done
        .iter()
        .filter(|one| one.failure.is_some())
        .map(|one| &*one.name)
        .collect();
    show_failures(&done);
    let [passed, lost, ignored] = ["passed", "failed", "ignored"].map(|word| count(&done, word));
    println!(
        "{passed} tests passed, {lost} failed, {ignored} ignored in {} programs",
        done.len()
    );
    if failed.is_empty() {
        return Ok(());
    }
    Err(format!("tests failed in: {}", failed.join(", ")))
}

#[expect(clippy::disallowed_methods, reason = "a tool measures real time")]
fn run_one(program: &TestProgram, configure: &impl Fn(&mut Command)) -> ProgramOutcome {
    let start = Instant::now();
    let mut command = Command::new(&program.path);
    // As `cargo test` sets it; libraries read it.
    command
        .current_dir(&program.directory)
        .env("CARGO_MANIFEST_DIR", &program.directory);
    configure(&mut command);
    let output = command.stdin(Stdio::null()).output();
    let (summary, failure) = match output {
        Ok(output) => {
            let (out, err) = (
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr),
            );
            let summary = out.lines().rfind(|line| line.starts_with(SUMMARY));
            let failed = !output.status.success();
            let failure = failed.then(|| format!("{out}{err}{}\n", output.status));
            (summary.unwrap_or_default().to_owned(), failure)
        }
        Err(error) => (String::new(), Some(format!("{error}\n"))),
    };
    ProgramOutcome {
        name: program.name.clone(),
        summary,
        failure,
        time: start.elapsed(),
    }
}

fn report(outcome: &ProgramOutcome) {
    let ProgramOutcome {
        name,
        summary,
        failure,
        time,
    } = outcome;
    let word = if failure.is_some() {
        "FAILED"
    } else {
        "passed"
    };
    println!("{word} {:>7.1} s  {name}\n{summary}", time.as_secs_f64());
}

/// The tests of all programs with an outcome, such as `passed` or `ignored`.
fn count(done: &[ProgramOutcome], outcome: &str) -> usize {
    let parts = done.iter().flat_map(|one| one.summary.split(['.', ';']));
    let numbers = parts.filter_map(|part| {
        part.trim()
            .strip_suffix(outcome)?
            .trim()
            .parse::<usize>()
            .ok()
    });
    numbers.sum()
}

/// Prints all output of the programs that failed, one after another.
fn show_failures(done: &[ProgramOutcome]) {
    for ProgramOutcome { name, failure, .. } in done {
        if let Some(text) = failure {
            println!("\n---- {name} ----\n{text}");
        }
    }
}

/// The milliseconds by name. Without the file, or with another one in its place, there are none.
fn read_times(root: &Path) -> BTreeMap<String, u64> {
    let text = std::fs::read_to_string(root.join(TIMES)).unwrap_or_default();
    let read = |line: &str| {
        let (millis, name) = line.split_once(' ')?;
        Some((name.to_owned(), millis.parse().ok()?))
    };
    text.lines().filter_map(read).collect()
}

fn write_times(root: &Path, times: &BTreeMap<String, u64>) {
    let lines = times
        .iter()
        .map(|(name, millis)| format!("{millis} {name}\n"));
    // Only the order of the next run depends on it.
    let _ = std::fs::write(root.join(TIMES), lines.collect::<String>());
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn the_tests_of_all_programs_are_counted() {
        let outcome = |summary: &str| ProgramOutcome {
            name: String::new(),
            summary: summary.to_owned(),
            failure: None,
            time: Duration::ZERO,
        };
        let done = [
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s",
            "",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out; finished in 10.12s",
        ];
        let done = done.map(outcome);
        let words = ["passed", "failed", "ignored"];
        assert_eq!(words.map(|word| count(&done, word)), [15, 2, 1]);
    }

    fn program(name: &str, path: &str) -> TestProgram {
        TestProgram {
            name: name.to_owned(),
            path: PathBuf::from(path),
            directory: PathBuf::from("/"),
        }
    }

    #[test]
    fn a_failed_program_hides_no_other() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("target")).unwrap();
        let programs = [
            ("a", "/bin/true"),
            ("b", "/bin/false"),
            ("c", "/absent"),
            ("d", "/bin/true"),
        ];
        let programs = programs.map(|(name, path)| program(name, path)).to_vec();
        let error = run(root.path(), programs, |_| ()).unwrap_err();
        let mut failed: Vec<_> = error
            .trim_start_matches("tests failed in: ")
            .split(", ")
            .collect();
        failed.sort_unstable();
        assert_eq!(failed, ["b", "c"]);
        let times = read_times(root.path());
        assert_eq!(
            times.keys().map(String::as_str).collect::<Vec<_>>(),
            ["a", "b", "c", "d"]
        );
    }
}
