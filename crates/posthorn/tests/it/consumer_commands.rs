//! `posthorn consumer` and `posthorn webhook` against a stub of a consumer.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::stub_consumer::StubConsumer;
use crate::support::run;

const ID: &str = "01KATQ2J00000000000000001F";
const OTHER_ID: &str = "01KATQ2J00000000000000001G";
const PATH: &str = "/api/v1/topics/jobs/consumers/worker";

/// Runs the binary with these arguments; returns its output and its only request.
async fn call(
    stub: &StubConsumer,
    arguments: &[&str],
) -> (String, (String, String, Option<String>, Value)) {
    let directory = TempDir::new().unwrap();
    let environment = [("POSTHORN_URL", stub.url.as_str())];
    let (status, stdout, stderr) = run(directory.path(), arguments, &environment).await;
    assert_eq!(
        (status.code(), stderr.as_str()),
        (Some(0), ""),
        "{arguments:?}"
    );
    let mut requests = std::mem::take(&mut stub.state().requests);
    assert_eq!(requests.len(), 1, "{arguments:?}");
    (stdout, requests.remove(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_command_is_one_request() {
    let stub = StubConsumer::start().await;
    let tag = || Some("\"tag\"".to_owned());
    let settings = json!({
        "start": "newest", "lease_seconds": 90.0, "max_attempts": 3,
        "backoff_seconds": [0.0, 1.5], "max_in_flight": 7,
    });
    let target = ["jobs", "worker"];
    for (command, options, method, path, condition, body) in [
        ("put", &[][..], "PUT", "", None, json!({})),
        (
            "put",
            &[
                "--start",
                "newest",
                "--lease",
                "90s",
                "--max-attempts",
                "3",
                "--backoff",
                "0s,1s 500ms",
                "--max-in-flight",
                "7",
                "--if-match",
                "\"tag\"",
            ],
            "PUT",
            "",
            tag(),
            settings,
        ),
        (
            "put",
            &["--if-absent"],
            "PUT",
            "",
            Some("*".to_owned()),
            json!({}),
        ),
        ("get", &[], "GET", "", None, Value::Null),
        ("delete", &[], "DELETE", "", None, Value::Null),
        (
            "seek",
            &["oldest"],
            "POST",
            "/seek",
            None,
            json!({ "to": "oldest" }),
        ),
        ("dead", &[], "GET", "/dead?limit=50", None, Value::Null),
        (
            "dead",
            &["--after", ID, "--limit", "5"],
            "GET",
            "/dead?after=01KATQ2J00000000000000001F&limit=5",
            None,
            Value::Null,
        ),
        ("redrive", &[], "POST", "/dead/redrive", None, json!({})),
        (
            "redrive",
            &[ID, OTHER_ID],
            "POST",
            "/dead/redrive",
            None,
            json!({ "ids": [ID, OTHER_ID] }),
        ),
        (
            "dead-delete",
            &[ID],
            "DELETE",
            "/dead/01KATQ2J00000000000000001F",
            None,
            Value::Null,
        ),
    ] {
        stub.state().exists = condition.as_deref() != Some("*");
        stub.state().response = json!({ "redriven": 2, "remaining": 0, "messages": [] });
        let arguments = [&["consumer", command], &target[..], options].concat();
        let (_, request) = call(&stub, &arguments).await;
        let expected = (method.to_owned(), format!("{PATH}{path}"), condition, body);
        assert_eq!(request, expected, "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_webhook_command_is_one_request() {
    let stub = StubConsumer::start().await;
    let settings = json!({
        "url": "https://example.org/in", "schedule_seconds": [5.0, 300.0], "timeout_seconds": 3.0,
        "rate_per_second": 2.5, "format": "cloudevents", "headers": { "X-A": "b=c" },
    });
    for (command, options, method, path, body) in [
        (
            "put",
            &[
                "https://example.org/in",
                "--schedule",
                "5s,5m",
                "--timeout",
                "3s",
                "--rate-per-second",
                "2.5",
                "--format",
                "cloudevents",
                "--header",
                "X-A=b=c",
            ][..],
            "PUT",
            "",
            settings,
        ),
        ("get", &[], "GET", "", Value::Null),
        ("rotate-secret", &[], "POST", "/rotate-secret", json!({})),
        (
            "rotate-secret",
            &["--grace", "1h"],
            "POST",
            "/rotate-secret",
            json!({ "grace_seconds": 3600.0 }),
        ),
        ("enable", &[], "POST", "/enable", Value::Null),
        ("test", &[], "POST", "/test", Value::Null),
        (
            "replay",
            &["--from", ID, "--to", "2026-11-29T15:00:00Z"],
            "POST",
            "/replay",
            json!({ "from": ID, "to": "2026-11-29T15:00:00Z" }),
        ),
        ("attempts", &[], "GET", "/attempts", Value::Null),
        (
            "redrive",
            &[ID],
            "POST",
            "/dead/redrive",
            json!({ "ids": [ID] }),
        ),
        ("delete", &[], "DELETE", "", Value::Null),
    ] {
        stub.state().response =
            json!({ "redriven": 1, "remaining": 0, "state": "active", "status": 204 });
        let arguments = [&["webhook", command, "jobs", "hook"], options].concat();
        let (stdout, request) = call(&stub, &arguments).await;
        let path = format!("/api/v1/topics/jobs/webhooks/hook{path}");
        assert_eq!(
            request,
            (method.to_owned(), path, None, body),
            "{arguments:?}"
        );
        if command == "enable" {
            assert!(stdout.contains("active"), "{stdout}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_the_receiver_does_not_accept_exits_with_1() {
    let stub = StubConsumer::start().await;
    let directory = TempDir::new().unwrap();
    let environment = [("POSTHORN_URL", stub.url.as_str())];
    for (status, error) in [
        (json!(500), Value::Null),
        (Value::Null, json!("no response")),
    ] {
        stub.state().response = json!({ "status": status, "milliseconds": 3, "error": error });
        let arguments = ["webhook", "test", "jobs", "hook", "--json"];
        let (exit, stdout, stderr) = run(directory.path(), &arguments, &environment).await;
        assert_eq!(exit.code(), Some(1), "{stderr}");
        assert!(stderr.contains("did not respond with 2xx"), "{stderr}");
        let printed: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(printed["status"], status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_printed_for_people_or_as_json() {
    let stub = StubConsumer::start().await;
    let (stdout, _) = call(&stub, &["consumer", "get", "jobs", "worker"]).await;
    let words: Vec<_> = stdout.split_whitespace().collect();
    assert!(
        words
            .windows(2)
            .any(|pair| pair == ["lease_seconds", "2.5"]),
        "{stdout}"
    );
    assert!(
        words.windows(2).any(|pair| pair == ["etag", "\"tag\""]),
        "{stdout}"
    );
    let (stdout, _) = call(&stub, &["consumer", "get", "jobs", "worker", "--json"]).await;
    let json: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(json["lease_seconds"], 2.5);

    let consumers = json!({ "consumers": [{ "name": "worker", "waiting": 5 }] });
    stub.state().response = consumers.clone();
    let (stdout, request) = call(&stub, &["consumer", "list", "jobs"]).await;
    assert_eq!(request.1, "/api/v1/topics/jobs/consumers");
    assert_eq!(stdout.lines().count(), 2, "{stdout}");
    let (stdout, _) = call(&stub, &["consumer", "--json", "list", "jobs"]).await;
    assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap(), consumers);

    stub.state().response = json!({ "redriven": 1, "remaining": 0, "unknown": [OTHER_ID] });
    let (stdout, _) = call(
        &stub,
        &["consumer", "redrive", "jobs", "worker", ID, OTHER_ID],
    )
    .await;
    let expected = format!("redriven 1, remaining 0, not dead letters: {OTHER_ID}\n");
    assert_eq!(stdout, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn further_and_damaged_dead_letters_are_announced_on_standard_error() {
    let stub = StubConsumer::start().await;
    let directory = TempDir::new().unwrap();
    let environment = [("POSTHORN_URL", stub.url.as_str())];
    for kind in ["consumer", "webhook"] {
        let next = "/api/v1/topics/jobs/consumers/worker/dead?after=1&limit=50";
        stub.state().response =
            json!({ "messages": [{ "id": "1" }], "unreadable": ["0"], "next": next });
        let arguments = [kind, "dead", "jobs", "worker"];
        let (status, stdout, stderr) = run(directory.path(), &arguments, &environment).await;
        assert_eq!(status.code(), Some(0));
        assert_eq!(stdout, "-  1  -  -  -\n");
        assert_eq!(
            stderr,
            "posthorn: a stored message is damaged and not shown: 0\n\
             posthorn: there are more dead letters: --after 1\n"
        );
        let arguments = [kind, "dead", "jobs", "worker", "--after", ID];
        stub.state().response = json!({ "messages": [], "next": null });
        let (_, stdout, stderr) = run(directory.path(), &arguments, &environment).await;
        assert_eq!((stdout.as_str(), stderr.as_str()), ("", ""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_command_exits_with_1_and_a_mistyped_one_with_2() {
    let stub = StubConsumer::start().await;
    stub.state().exists = false;
    let directory = TempDir::new().unwrap();
    let environment = [("POSTHORN_URL", stub.url.as_str())];
    for (arguments, code, text) in [
        (
            &["consumer", "get", "jobs", "worker"][..],
            1,
            "404 not-found",
        ),
        (&["consumer", "get", "jobs", "No-Name"], 2, "a-z"),
        (
            &["consumer", "dead", "jobs", "worker", "--limit", "201"],
            2,
            "200",
        ),
        (&["webhook", "dead", "jobs", "w", "--limit", "0"], 2, "200"),
        (&["work", "jobs", "--consumer", "worker"], 2, "COMMAND"),
        (
            &[
                "work",
                "jobs",
                "--consumer",
                "w",
                "--lease",
                "0s",
                "--",
                "a",
            ],
            2,
            "1s to 12h",
        ),
        (
            &[
                "work",
                "jobs",
                "--consumer",
                "w",
                "--concurrency",
                "201",
                "--",
                "a",
            ],
            2,
            "200",
        ),
    ] {
        let (status, _, stderr) = run(directory.path(), arguments, &environment).await;
        assert_eq!(status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(text), "{stderr}");
    }
}
