//! `cargo xtask ci`: every check and test in turn, or the named ones, each with its time. All of them
//! run after a failure too, and the summary names those that failed. A step that has passed on the same
//! files is skipped; a fresh clone has no record of any.

mod changed_layers;
mod passed;

use std::path::Path;
use std::time::{Duration, Instant};

use clap::builder::PossibleValuesParser;

use crate::generated::{self, Generated};
use crate::{
    arch, chaos, coverage, deny, doc, fmt, interop, lint, manifests, page, rollout, setup, test,
    tidy,
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

/// Quick steps come first. Coverage runs the tests, so no other step does; the steps after it use its
/// server.
const STEPS: [CiStep; 22] = [
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
    (
        "manifests",
        |root| manifests::check(root, manifests::ManifestsOptions::default()),
        Repository,
    ),
    ("rollout", rollout::rehearse, Repository),
    (
        "chaos",
        |root| chaos::run(root, &chaos::ChaosOptions::default()),
        Repository,
    ),
    ("senders", interop::senders::run, Repository),
    ("readers", interop::readers::run, Repository),
    ("http-lint", interop::api::lint_responses, Repository),
    ("metrics-formats", interop::api::parse_metrics, Repository),
    ("api-document", interop::api::lint_document, Repository),
    ("api-client", interop::api::generate_client, Repository),
    ("api-requests", interop::fuzz::run, Repository),
];

/// The options of `ci`.
#[derive(Debug, clap::Args)]
pub(crate) struct CiOptions {
    /// The steps to run, in their usual order; by default all of those whose inputs have changed since
    /// they passed.
    #[arg(value_name = "STEP", value_parser = PossibleValuesParser::new(STEPS.map(|(name, ..)| name)))]
    steps: Vec<String>,
    /// Run all steps, also those whose inputs have not changed since they passed.
    #[arg(long, conflicts_with = "steps")]
    all: bool,
}

/// The outcome of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StepOutcome {
    Passed,
    /// It has passed on the same inputs in an earlier run.
    Unchanged,
    Failed,
}

/// Runs the steps. `setup` comes first, because all but the quick ones need its programs.
pub(crate) fn run(root: &Path, options: &CiOptions) -> Result<(), String> {
    let wanted = |name: &str| options.steps.is_empty() || options.steps.iter().any(|s| s == name);
    let steps: Vec<_> = STEPS
        .into_iter()
        .filter(|(name, ..)| wanted(name))
        .collect();
    if steps.iter().any(|(_, _, inputs)| *inputs != Unrecorded) {
        setup::run(root)?;
    }
    let mut done = Vec::new();
    // Whoever names a step wants it to run.
    let may_skip = !options.all && options.steps.is_empty();
    if !may_skip && wanted("layers") {
        changed_layers::forget(root)?;
    }
    for step in steps {
        println!("\n==> {}", step.0);
        let (outcome, time) = timed(|| run_step(root, step, may_skip));
        let time = shown(time);
        match &outcome {
            Ok(StepOutcome::Unchanged) => println!("<== {}: unchanged since it passed", step.0),
            Ok(_) => println!("<== {}: passed in {time}", step.0),
            Err(error) => println!("<== {}: FAILED in {time}\n{error}", step.0),
        }
        done.push((step.0, outcome.unwrap_or(StepOutcome::Failed), time));
    }
    summarise(&done)
}

/// Runs the step, unless it may be skipped and has passed on the same inputs.
fn run_step(
    root: &Path,
    (name, step, inputs): CiStep,
    may_skip: bool,
) -> Result<StepOutcome, String> {
    let ran = passed::run(root, name, inputs, may_skip, || step(root))?;
    Ok(if ran {
        StepOutcome::Passed
    } else {
        StepOutcome::Unchanged
    })
}

fn summarise(done: &[(&str, StepOutcome, String)]) -> Result<(), String> {
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
    fn a_step_that_passed_is_skipped_until_an_input_changes() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        shell::output(Command::new("git").current_dir(root).args(["init", "-q"])).unwrap();
        std::fs::write(root.join(".gitignore"), "target").unwrap();
        let run = |step, may_skip| run_step(root, ("made-up", step, Repository), may_skip);
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
        let step = |step| run_step(root.path(), ("made-up", step, Repository), true);
        assert_eq!(step(|_| Ok(())), Ok(StepOutcome::Passed));
        assert_eq!(step(|_| Err("broken".to_owned())), Err("broken".to_owned()));
    }
}
