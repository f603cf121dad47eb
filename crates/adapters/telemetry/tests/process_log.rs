//! The log of a whole process, seen from outside: logging is set up once in a process, so each
//! test runs one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::env;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use posthorn_application::AppIdentity;
use posthorn_telemetry::{InitError, LogFormat, LogSettings, Metrics, init};
use posthorn_testkit::{FakeClock, eventually};
use serde_json::Value;

/// Names to the process what it shall do.
const SCENARIO: &str = "POSTHORN_TEST_SCENARIO";

fn identity() -> AppIdentity {
    AppIdentity {
        name: "a-name".into(),
        version: "0".into(),
        environment: "testing".into(),
        instance: "pod".into(),
    }
}

/// Not a test: what the processes do that the tests start.
#[test]
#[ignore = "the tests run it as a process of its own"]
fn scenario() {
    let Ok(scenario) = env::var(SCENARIO) else {
        return;
    };
    let format = if scenario == "pretty" {
        LogFormat::Pretty
    } else {
        LogFormat::Bunyan
    };
    let settings = LogSettings {
        level: "info".to_owned(),
        format,
        ..LogSettings::default()
    };
    let guard = init(&identity(), &settings, None).unwrap();
    match scenario.as_str() {
        "twice" => {
            let again = init(&identity(), &settings, None);
            assert!(matches!(again, Err(InitError::AlreadySet(_))), "{again:?}");
            tracing::info!("still logging");
        }
        "panic" => {
            let _ = thread::Builder::new()
                .name("a-thread".to_owned())
                .spawn(|| panic!("what went wrong"))
                .unwrap()
                .join();
        }
        "flood" => {
            for number in 0..50_000 {
                tracing::info!(number, "one of many");
            }
        }
        "metrics" => {
            let text = Metrics::new(&identity(), Arc::new(FakeClock::new())).render();
            tracing::info!(text = text.unwrap(), "exposition");
        }
        _ => log_a_request(),
    }
    drop(guard);
    exit();
}

/// Ends the process before the test harness prints anything more.
#[expect(
    clippy::exit,
    clippy::disallowed_methods,
    reason = "the harness would print to an output that stands still"
)]
fn exit() -> ! {
    std::process::exit(0)
}

fn log_a_request() {
    let span = tracing::info_span!("request", request_id = "an-id");
    span.in_scope(|| tracing::info!(status = 201, route = "/ping", "request finished"));
    tracing::debug!("filtered out");
    tracing::error!("without a span");
}

fn start(scenario: &str) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "scenario", "--ignored", "--nocapture"])
        .env(SCENARIO, scenario)
        .env_remove("RUST_BACKTRACE")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What a process wrote to standard output and to standard error.
fn run(scenario: &str) -> (String, String) {
    let output = start(scenario).wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    (out, err)
}

fn json_lines(out: &str) -> Vec<Value> {
    out.lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn each_event_is_one_bunyan_line_and_the_last_is_written_at_the_end() {
    let (out, err) = run("bunyan");
    let lines = json_lines(&out);
    assert_eq!(lines.len(), 2, "{out}");
    assert_eq!(lines[0]["name"], "a-name");
    assert_eq!(lines[0]["level"], 30);
    assert_eq!(lines[0]["status"], 201);
    assert_eq!(lines[0]["request_id"], "an-id");
    assert_eq!(lines[0]["hostname"], posthorn_telemetry::host_name());
    assert_eq!(lines[1]["level"], 50);
    assert_eq!(lines[1]["msg"], "without a span");
    assert_eq!(err, "");
}

#[test]
fn readable_lines_have_no_colour_off_a_terminal() {
    let (out, _) = run("pretty");
    assert!(out.contains("INFO request{request_id=\"an-id\"}"), "{out}");
    assert!(out.contains("request finished status=201"), "{out}");
    assert!(!out.contains("filtered out"), "{out}");
    assert!(!out.contains('\u{1b}'), "{out:?}");
}

#[test]
fn a_second_initialisation_fails_and_leaves_the_first() {
    let (out, _) = run("twice");
    assert_eq!(json_lines(&out)[0]["msg"], "still logging");
}

#[test]
fn the_count_of_dropped_lines_is_a_metric() {
    let (out, _) = run("metrics");
    let text = json_lines(&out)[0]["text"].to_string();
    assert!(text.contains("app_log_lines_dropped_total 0"), "{text}");
}

#[test]
fn a_panic_is_one_error_event_and_nothing_on_standard_error() {
    let (out, err) = run("panic");
    let lines = json_lines(&out);
    assert_eq!(lines.len(), 1, "{out}");
    assert_eq!(lines[0]["level"], 50);
    assert_eq!(lines[0]["reason"], "what went wrong");
    assert_eq!(lines[0]["thread"], "a-thread");
    let location = lines[0]["location"].as_str().unwrap();
    assert!(location.contains("process_log.rs:"), "{location}");
    assert_eq!(err, "");
}

#[tokio::test]
async fn an_output_that_nobody_reads_holds_up_neither_the_process_nor_its_end() {
    let mut child = start("flood");
    let ended = async || child.try_wait().unwrap().is_some();
    eventually(Duration::from_secs(20), ended).await;
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_misspelt_level_is_refused_before_anything_is_set_up() {
    let settings = LogSettings {
        level: "inof".to_owned(),
        ..LogSettings::default()
    };
    let error = init(&identity(), &settings, None).unwrap_err();
    assert!(error.to_string().contains("`inof`"), "{error}");
    assert!(error.to_string().starts_with("LOG_LEVEL"), "{error}");
}
