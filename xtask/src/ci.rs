//! `cargo xtask ci`: every check and test, or the named ones, each with its time. All of them run after a
//! failure too, and the summary names those that failed. A step that has passed on the same files is
//! skipped; a fresh clone has no record of any.

mod changed_layers;
mod passed;

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::builder::PossibleValuesParser;

use crate::chaos::{self, ChaosOptions};
use crate::generated::{self, Generated};
use crate::{
    arch, binary, coverage, deny, doc, fmt, interop, lint, manifests, page, pool, rollout, setup,
    test, tidy,
};
use passed::StepInputs::{self, Repository, Unrecorded};

type CiStep = (
    &'static str,
    fn(&Path) -> Result<(), String>,
    StepInputs<'static>,
);

const SCRIPTS: StepInputs<'_> = StepInputs::Only {
    starts: &["crates/delivery/http/assets/"],
    ends: &[],
};

const MANIFESTS: StepInputs<'_> = StepInputs::Only {
    starts: &["Cargo.lock", "deny.toml", "rust-toolchain.toml"],
    ends: &["Cargo.toml"],
};

/// The steps that run one after another. Quick ones come first. Coverage runs the tests, so no other step does.
const STEPS: [CiStep; 10] = [
    ("fmt", |root| fmt::run(root, true), Unrecorded),
    ("tidy", tidy::run, Unrecorded),
    ("arch", arch::run, Unrecorded),
    ("page", page::run, SCRIPTS),
    ("deny", deny::run, MANIFESTS),
    ("lint", lint::run, Repository),
    ("layers", changed_layers::run, Repository),
    ("doc", doc::run, Repository),
    ("coverage", coverage::run, Repository),
    ("doc-tests", test::run_doc_tests, Repository),
];

/// The steps that use the server, which coverage has built. They mostly wait, so they run side by side, one more than
/// there are processors, the longest first.
const SERVER_STEPS: [CiStep; 14] = [
    (
        "manifests",
        |root| manifests::check(root, manifests::ManifestsOptions::default()),
        Repository,
    ),
    (
        "fail-overs",
        |root| chaos::run(root, &ChaosOptions::FAIL_OVERS),
        Repository,
    ),
    (
        "chaos",
        |root| chaos::run(root, &ChaosOptions::KILLS),
        Repository,
    ),
    (
        "jumps",
        |root| chaos::run(root, &ChaosOptions::JUMPS),
        Repository,
    ),
    ("senders", interop::senders::run, Repository),
    ("api-requests", interop::fuzz::run, Repository),
    ("readers", interop::readers::run, Repository),
    ("rollout", rollout::rehearse, Repository),
    ("api-document", interop::api::lint_document, Repository),
    ("api-client", interop::api::generate_client, Repository),
    ("http-lint", interop::api::lint_responses, Repository),
    ("metrics-formats", interop::api::parse_metrics, Repository),
    (
        "openapi",
        |root| generated::run(root, Generated::Openapi, true),
        Repository,
    ),
    (
        "config-docs",
        |root| generated::run_configuration(root, true),
        Repository,
    ),
];

/// The options of `ci`.
#[derive(Debug, clap::Args)]
pub(crate) struct CiOptions {
    /// The steps to run, in their usual order; by default all of those whose inputs have changed since
    /// they passed.
    #[arg(value_name = "STEP", value_parser = PossibleValuesParser::new(all_steps().map(|(name, ..)| name)))]
    steps: Vec<String>,
    /// Run all steps, also those whose inputs have not changed since they passed.
    #[arg(long, conflicts_with = "steps")]
    all: bool,
    /// Run the named steps and nothing else: no setup, record or summary. So `ci` runs a step apart.
    #[arg(long, hide = true, requires = "steps")]
    bare: bool,
}

/// The outcome of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StepOutcome {
    Passed,
    /// It has passed on the same inputs in an earlier run.
    Unchanged,
    Failed,
}

/// How a step ended, and how long it took.
type StepEnd = (&'static str, StepOutcome, String);

fn all_steps() -> impl Iterator<Item = CiStep> {
    STEPS.into_iter().chain(SERVER_STEPS)
}

/// Runs the steps. `setup` comes first, because all but the quick ones need its programs.
pub(crate) fn run(root: &Path, options: &CiOptions) -> Result<(), String> {
    let wanted = |name: &str| options.steps.is_empty() || options.steps.iter().any(|s| s == name);
    if options.bare {
        let mut steps = all_steps().filter(|(name, ..)| wanted(name));
        return steps.try_for_each(|(_, step, _)| step(root));
    }
    let mut steps = all_steps().filter(|(name, ..)| wanted(name));
    if steps.any(|(_, _, inputs)| inputs != Unrecorded) {
        setup::run(root)?;
    }
    // A step that the command line names always runs.
    let may_skip = !options.all && options.steps.is_empty();
    if !may_skip && wanted("layers") {
        changed_layers::forget(root)?;
    }
    // Outside of a repository there is none, and nothing is recorded.
    let sources = || passed::fingerprint(root, Repository).unwrap_or_default();
    let built = sources();
    let mut done = Vec::new();
    for (name, step, inputs) in STEPS.into_iter().filter(|(name, ..)| wanted(name)) {
        println!("\n==> {name}");
        let (outcome, time) = timed(|| run_step(root, name, inputs, may_skip, || step(root)));
        let (end, line) = close(name, outcome, time);
        println!("{line}");
        done.push(end);
    }
    let server_steps: Vec<_> = SERVER_STEPS
        .into_iter()
        .filter(|(name, ..)| wanted(name))
        .collect();
    done.extend(pool::run(
        server_steps,
        pool::processors() + 1,
        |(name, _, inputs)| {
            let mut output = String::new();
            let apart = || run_apart(root, name).map(|printed| output = printed);
            let (outcome, time) = timed(|| {
                let outcome = run_step(root, name, inputs, may_skip, apart)?;
                // The server is that of the sources at the start, whatever has been edited since then.
                if sources() != built {
                    passed::forget(root, name)?;
                }
                Ok(outcome)
            });
            let (end, line) = close(name, outcome, time);
            println!("\n==> {name}\n{output}{line}");
            end
        },
    ));
    summarise(&done)
}

/// Runs the step, unless it may be skipped and has passed on the same inputs.
fn run_step(
    root: &Path,
    name: &str,
    inputs: StepInputs<'_>,
    may_skip: bool,
    step: impl FnOnce() -> Result<(), String>,
) -> Result<StepOutcome, String> {
    let ran = passed::run(root, name, inputs, may_skip, step)?;
    Ok(if ran {
        StepOutcome::Passed
    } else {
        StepOutcome::Unchanged
    })
}

/// Runs the step in a process of its own, and returns what it printed. Until it ends, that is in `target/ci`.
///
/// # Errors
/// What it printed until it failed.
fn run_apart(root: &Path, step: &str) -> Result<String, String> {
    let failed = |error: std::io::Error| error.to_string();
    let path = root.join(passed::DIRECTORY).join(format!("{step}.log"));
    std::fs::create_dir_all(root.join(passed::DIRECTORY)).map_err(failed)?;
    let log = File::create(&path).map_err(failed)?;
    let mut xtask = Command::new(std::env::current_exe().map_err(failed)?);
    xtask.args(["ci", "--bare", step]).stdin(Stdio::null());
    xtask.stdout(log.try_clone().map_err(failed)?).stderr(log);
    binary::pass_on(&mut xtask);
    let status = xtask.status().map_err(failed)?;
    let printed = String::from_utf8_lossy(&std::fs::read(&path).map_err(failed)?).into_owned();
    if status.success() {
        Ok(printed)
    } else {
        Err(printed)
    }
}

/// The end of a step for the summary, and the line that says it at once.
fn close(
    name: &'static str,
    outcome: Result<StepOutcome, String>,
    time: Duration,
) -> (StepEnd, String) {
    let time = shown(time);
    let line = match &outcome {
        Ok(StepOutcome::Unchanged) => format!("<== {name}: unchanged since it passed"),
        Ok(_) => format!("<== {name}: passed in {time}"),
        Err(error) => format!("<== {name}: FAILED in {time}\n{error}"),
    };
    let outcome = outcome.unwrap_or(StepOutcome::Failed);
    ((name, outcome, time), line)
}

fn summarise(done: &[StepEnd]) -> Result<(), String> {
    println!();
    for (name, outcome, time) in done {
        let word = match outcome {
            StepOutcome::Passed => "passed",
            StepOutcome::Unchanged => "unchanged since it passed",
            StepOutcome::Failed => "FAILED",
        };
        println!("{name:15} {time:>8}  {word}");
    }
    let count = |wanted| {
        done.iter()
            .filter(|(_, outcome, _)| *outcome == wanted)
            .count()
    };
    println!(
        "{} passed, {} unchanged, {} failed",
        count(StepOutcome::Passed),
        count(StepOutcome::Unchanged),
        count(StepOutcome::Failed)
    );
    let failed = done
        .iter()
        .filter(|(_, outcome, _)| *outcome == StepOutcome::Failed);
    let failed: Vec<&str> = failed.map(|(name, ..)| *name).collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{} of {} steps failed: {}",
        failed.len(),
        done.len(),
        failed.join(", ")
    ))
}

#[expect(clippy::disallowed_methods, reason = "a tool measures real time")]
fn timed<T>(step: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let outcome = step();
    (outcome, start.elapsed())
}

fn shown(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::shell;

    #[test]
    fn a_failed_step_fails_the_whole_and_is_named() {
        let step = |name, outcome| (name, outcome, "1.0 s".to_owned());
        let (passed, unchanged) = (StepOutcome::Passed, StepOutcome::Unchanged);
        assert_eq!(
            summarise(&[step("fmt", passed), step("lint", unchanged)]),
            Ok(())
        );
        let error = summarise(&[step("fmt", passed), step("arch", StepOutcome::Failed)]);
        assert_eq!(error.unwrap_err(), "1 of 2 steps failed: arch");
    }

    #[test]
    fn a_name_is_of_one_step() {
        let mut names: Vec<_> = all_steps().map(|(name, ..)| name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), STEPS.len() + SERVER_STEPS.len());
    }

    #[test]
    fn a_step_that_passed_is_skipped_until_an_input_changes() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        shell::output(Command::new("git").current_dir(root).args(["init", "-q"])).unwrap();
        std::fs::write(root.join(".gitignore"), "target").unwrap();
        let run = |step: fn(&Path) -> Result<(), String>, may_skip| {
            run_step(root, "made-up", Repository, may_skip, || step(root))
        };
        let pass = |_: &Path| Ok(());
        let fail = |_: &Path| Err("broken".to_owned());
        assert_eq!(run(pass, true), Ok(StepOutcome::Passed));
        assert_eq!(run(fail, true), Ok(StepOutcome::Unchanged));
        assert_eq!(run(fail, false), Err("broken".to_owned()));
        assert_eq!(run(fail, true), Err("broken".to_owned()));
        let edits = |root: &Path| std::fs::write(root.join("a"), "").map_err(|e| e.to_string());
        assert_eq!(run(edits, true), Ok(StepOutcome::Passed));
        assert_eq!(run(fail, true), Err("broken".to_owned()));
    }

    #[test]
    fn outside_of_a_repository_every_step_runs() {
        let root = tempfile::tempdir().unwrap();
        let run = |result: Result<(), String>| {
            run_step(root.path(), "made-up", Repository, true, || result)
        };
        assert_eq!(run(Ok(())), Ok(StepOutcome::Passed));
        assert_eq!(run(Err("broken".to_owned())), Err("broken".to_owned()));
    }
}
