//! `cargo xtask ci`: every check and test in turn, or the named ones, each with its time. All of them
//! run after a failure too, and the summary names those that failed.

use std::path::Path;
use std::time::{Duration, Instant};

use clap::builder::PossibleValuesParser;

use crate::generated::{self, Generated};
use crate::{
    arch, chaos, coverage, deny, doc, fmt, layers, lint, manifests, rollout, senders, setup, test,
    tidy,
};

type CiStep = (&'static str, fn(&Path) -> Result<(), String>);

/// Quick steps come first. Coverage runs the tests, so no other step does; the steps after it use its
/// server.
const STEPS: [CiStep; 15] = [
    ("fmt", |root| fmt::run(root, true)),
    ("tidy", tidy::run),
    ("arch", arch::run),
    ("deny", deny::run),
    ("lint", lint::run),
    ("layers", layers::run),
    ("doc", doc::run),
    ("coverage", coverage::run),
    ("doc-tests", test::run_doc_tests),
    ("openapi", |root| {
        generated::run(root, Generated::Openapi, true)
    }),
    ("config-docs", |root| {
        generated::run_configuration(root, true)
    }),
    ("manifests", |root| {
        manifests::check(root, manifests::ManifestsOptions::default())
    }),
    ("rollout", rollout::rehearse),
    ("chaos", |root| {
        chaos::run(root, &chaos::ChaosOptions::default())
    }),
    ("senders", senders::run),
];

/// The options of `ci`.
#[derive(Debug, clap::Args)]
pub(crate) struct CiOptions {
    /// The steps to run, in their usual order; all by default.
    #[arg(value_name = "STEP", value_parser = PossibleValuesParser::new(STEPS.map(|(name, _)| name)))]
    steps: Vec<String>,
}

/// Runs the steps. `setup` comes first, because they need its programs.
pub(crate) fn run(root: &Path, options: &CiOptions) -> Result<(), String> {
    setup::run(root)?;
    let mut done = Vec::new();
    let wanted = |name: &str| options.steps.is_empty() || options.steps.iter().any(|s| s == name);
    for (name, step) in STEPS.into_iter().filter(|(name, _)| wanted(name)) {
        println!("\n==> {name}");
        let (outcome, time) = timed(|| step(root));
        match &outcome {
            Ok(()) => println!("<== {name}: passed in {}", shown(time)),
            Err(error) => println!("<== {name}: FAILED in {}\n{error}", shown(time)),
        }
        done.push((name, outcome.is_ok(), time));
    }
    summarise(&done)
}

fn summarise(done: &[(&str, bool, Duration)]) -> Result<(), String> {
    println!();
    for (name, passed, time) in done {
        println!(
            "{name:12} {:>8}  {}",
            shown(*time),
            if *passed { "passed" } else { "FAILED" }
        );
    }
    let failed: Vec<&str> = done
        .iter()
        .filter(|(_, passed, _)| !passed)
        .map(|(name, ..)| *name)
        .collect();
    println!(
        "{} passed, {} failed",
        done.len() - failed.len(),
        failed.len()
    );
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
    use super::*;

    #[test]
    fn a_failed_step_fails_the_whole_and_is_named() {
        let second = Duration::from_secs(1);
        assert_eq!(summarise(&[("fmt", true, second)]), Ok(()));
        let error = summarise(&[("fmt", true, second), ("arch", false, second)]).unwrap_err();
        assert_eq!(error, "1 of 2 steps failed: arch");
    }
}
