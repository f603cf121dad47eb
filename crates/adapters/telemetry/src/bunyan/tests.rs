//! Lines as they are written, most of them beside those of `tracing-bunyan-formatter`.

use posthorn_testkit::UniqueMembers;
use serde_json::Value;
use tracing_bunyan_formatter::{BunyanFormattingLayer, JsonStorageLayer};
use tracing_subscriber::layer::SubscriberExt;

use super::*;
use crate::memory_output::MemoryOutput;

/// The lines of the events in `log`; each must be one write, and have each name once.
fn members(log: impl FnOnce()) -> Vec<UniqueMembers> {
    let written = MemoryOutput::default();
    let writer = written.clone();
    let layer = BunyanLayer::new("a-name", move || writer.clone());
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::with_default(subscriber, log);
    let parse = |line: String| {
        assert_eq!(line.find('\n'), Some(line.len() - 1), "{line}");
        UniqueMembers::parse(&line).unwrap()
    };
    written.writes().into_iter().map(parse).collect()
}

fn lines(log: impl FnOnce()) -> Vec<Value> {
    let object = |line: UniqueMembers| Value::Object(line.0.into_iter().collect());
    members(log).into_iter().map(object).collect()
}

/// The lines that `tracing-bunyan-formatter` writes for the events in `log`, without the name of the span that it puts
/// before a message.
fn reference(log: impl FnOnce()) -> Vec<Value> {
    let written = MemoryOutput::default();
    let writer = written.clone();
    let layer = BunyanFormattingLayer::new("a-name".to_owned(), move || writer.clone());
    let subscriber = tracing_subscriber::registry()
        .with(JsonStorageLayer)
        .with(layer);
    tracing::subscriber::with_default(subscriber, log);
    let parse = |line: String| -> Value { serde_json::from_str(&line).unwrap() };
    let lines = written.writes().into_iter().map(parse);
    // It also writes at the start and the end of a span.
    let of_events = lines.filter(|line| {
        let text = line["msg"].as_str().unwrap();
        !text.ends_with("START]") && !text.ends_with("END]")
    });
    let without_span = |mut line: Value| {
        let text = line["msg"].as_str().unwrap();
        let text = text.split_once(" - EVENT] ").map_or(text, |(_, text)| text);
        line["msg"] = Value::from(text);
        line
    };
    of_events.map(without_span).collect()
}

/// Checks that the lines of `log` are those of `tracing-bunyan-formatter`, but for the precision of times.
#[track_caller]
fn check_against_reference(log: impl Fn(), count: usize) {
    let (mut written, mut expected) = (lines(&log), reference(&log));
    for line in written.iter_mut().chain(&mut expected) {
        let time = line["time"].take();
        assert!(time.as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    }
    assert_eq!(written.len(), count);
    assert_eq!(written, expected);
}

#[test]
fn a_line_of_an_event_is_the_one_of_the_library() {
    let log = || {
        tracing::info!(
            number = -1_i64,
            count = 2_u64,
            ratio = 0.25,
            not_a_number = f64::NAN,
            large = u128::MAX,
            is_set = true,
            text = "a \"quoted\"\n\u{1} value",
            shown = %"как есть",
            debugged = ?Some("thing"),
            r#type = "a keyword",
            level = "its own",
            name = 3,
            error = &std::io::Error::other("why") as &dyn std::error::Error,
            "a \"message\" with {}",
            "an argument"
        );
        tracing::warn!(only = "fields");
        tracing::error!(target: "elsewhere", "no fields");
        tracing::debug!("");
    };
    check_against_reference(log, 4);
}

#[test]
fn a_line_of_an_event_in_spans_is_the_one_of_the_library() {
    let log = || {
        let outer = tracing::info_span!(
            "outer",
            number = -1_i64,
            count = 2_u64,
            ratio = 0.25,
            is_set = true,
            text = "of the outer",
            nothing = tracing::field::Empty,
        );
        let _outer = outer.enter();
        tracing::info!("in the outer");
        let inner = tracing::info_span!(
            "inner",
            text = "of the \"inner\"",
            shown = %"как есть",
            debugged = ?Some("thing"),
            r#type = ?"a keyword",
            level = "left out",
        );
        let _inner = inner.enter();
        tracing::info!(status = 201, "in both");
        tracing::info!("again");
    };
    check_against_reference(log, 3);
}

#[test]
fn the_innermost_of_fields_with_one_name_stays() {
    let lines = lines(|| {
        let outer = tracing::info_span!("outer", a = 1, b = 1, c = 1, file = "left out");
        let _outer = outer.enter();
        let inner = tracing::info_span!("inner", a = 2, b = 2, message = "left out");
        let _inner = inner.enter();
        tracing::info!(
            a = 3,
            a = 4,
            target = "left out",
            line = 5,
            msg = "left out"
        );
    });
    let line = &lines[0];
    assert_eq!([&line["a"], &line["b"], &line["c"]], [3, 2, 1]);
    assert_eq!(line["msg"], module_path!());
    assert_eq!(line["target"], module_path!());
    assert_eq!(line["file"], file!());
}

#[test]
fn every_line_has_the_same_order_and_the_same_precision() {
    let lines = members(|| {
        tracing::info!(status = 201, "outside of a span");
        let span = tracing::info_span!("request", request_id = "an-id");
        span.in_scope(|| tracing::info!(outcome = "done", "in a span"));
        tracing::warn!(only = "fields");
    });
    let common = [
        "v", "name", "hostname", "pid", "level", "time", "target", "line", "file", "msg",
    ];
    let own: [&[&str]; 3] = [&["status"], &["outcome", "request_id"], &["only"]];
    assert_eq!(lines.len(), own.len());
    for (line, own) in lines.iter().zip(own) {
        let names: Vec<_> = line.0.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, [&common, own].concat());
        let time = line.get("time").unwrap().as_str().unwrap();
        assert_eq!(time.len(), "2026-01-02T03:04:05.678901Z".len(), "{time}");
    }
    assert_eq!(lines[0].get("name"), Some(&Value::from("a-name")));
    assert_eq!(lines[0].get("hostname"), Some(&crate::host_name().into()));
    assert_eq!(lines[0].get("pid"), Some(&std::process::id().into()));
    assert_eq!(lines[1].get("msg"), Some(&Value::from("in a span")));
}

#[test]
fn fields_of_requests_have_short_names() {
    let lines = lines(|| {
        let span = tracing::info_span!(
            "request",
            otel.kind = "server",
            http.request.method = "GET",
            url.path = "/a",
            client.address = "203.0.113.9",
            http.route = "/{a}",
            http.response.status_code = 200,
        );
        span.in_scope(|| tracing::info!(route = "/{b}", "an event"));
    });
    let line = &lines[0];
    assert_eq!(line["method"], "GET");
    assert_eq!(line["client"], "203.0.113.9");
    assert_eq!(line["route"], "/{b}");
    assert_eq!(line["status"], 200);
    let names = line.as_object().unwrap().keys();
    assert!(!names.clone().any(|name| name.contains('.')), "{line}");
}

#[test]
fn levels_are_those_of_bunyan() {
    let lines = lines(|| {
        tracing::error!("e");
        tracing::warn!("w");
        tracing::info!("i");
        tracing::debug!("d");
    });
    let levels: Vec<_> = lines.iter().map(|line| line["level"].clone()).collect();
    assert_eq!(levels, [50, 40, 30, 20]);
}
