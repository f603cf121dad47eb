//! `posthorn consumer pull`, `ack`, `nack` and `extend`.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::stub_consumer::StubConsumer;
use crate::support::{Server, run};

const PATH: &str = "/api/v1/topics/jobs/consumers/worker";

/// Runs `posthorn consumer ACTION jobs worker`; returns its exit code, its output and what it reports.
async fn consumer(url: &str, action: &str, options: &[&str]) -> (Option<i32>, String, String) {
    let directory = TempDir::new().unwrap();
    let arguments = [&["consumer", action, "jobs", "worker"], options].concat();
    let environment = [("POSTHORN_URL", url)];
    let (status, stdout, stderr) = run(directory.path(), &arguments, &environment).await;
    (status.code(), stdout, stderr)
}

/// The first words of the lines.
fn tokens(lines: &str) -> Vec<String> {
    let words = lines.lines().map(|line| line.split_whitespace().next());
    words.map(|word| word.unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn options_are_members_of_the_body_and_absent_ones_are_not() {
    let stub = StubConsumer::start().await;
    for (options, body) in [
        (&[][..], json!({})),
        (
            &["--max", "7", "--wait", "1ms", "--lease", "1m 30s"],
            json!({ "max": 7, "wait_seconds": 0.001, "lease_seconds": 90.0 }),
        ),
    ] {
        let (code, stdout, stderr) = consumer(&stub.url, "pull", options).await;
        assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(0), "", ""));
        assert_eq!(stub.state().pulls.pop(), Some(body));
    }
    for (action, options, body) in [
        ("ack", &["a", "b", "a"][..], json!({ "leases": ["a", "b"] })),
        ("nack", &["a"], json!({ "leases": ["a"] })),
        (
            "nack",
            &["a", "--delay", "4s 35ms", "--reason", "нет бумаги"],
            json!({ "leases": ["a"], "delay_seconds": 4.035, "reason": "нет бумаги" }),
        ),
        ("extend", &["a"], json!({ "leases": ["a"] })),
        (
            "extend",
            &["a", "--lease", "12h"],
            json!({ "leases": ["a"], "lease_seconds": 43200.0 }),
        ),
    ] {
        consumer(&stub.url, action, options).await;
        let request = stub.state().requests.pop().unwrap();
        let expected = ("POST".to_owned(), format!("{PATH}/{action}"), None, body);
        assert_eq!(request, expected, "{options:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_pulled_and_settled_by_hand() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[]).await;
    let url = server.url.as_str();
    assert_eq!(consumer(url, "put", &[]).await.0, Some(0));
    let messages = format!("{url}/api/v1/topics/jobs/messages");
    for text in ["one", "two\nlines", "three"] {
        let response = server.client.post(&messages).body(text).send().await;
        assert!(response.unwrap().status().is_success());
    }

    let (code, lines, stderr) = consumer(url, "pull", &["--max", "2"]).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let leases = tokens(&lines);
    assert_eq!(leases.len(), 2, "{lines}");
    assert!(lines.ends_with("  two\\nlines\n"), "{lines}");

    let (code, json, _) = consumer(url, "pull", &["--json"]).await;
    assert_eq!((code, json.lines().count()), (Some(0), 1));
    let pulled: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(pulled["messages"][0]["message"], "three");
    assert_eq!(pulled["messages"][0]["attempt"], 1);
    let third = pulled["messages"][0]["lease"].as_str().unwrap();

    let (code, line, _) = consumer(url, "extend", &[third, "--lease", "1h"]).await;
    assert_eq!((code, line.lines().count()), (Some(0), 1));
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!((words[0], words[1], words.len()), ("extended", third, 3));
    let (code, json, _) = consumer(url, "extend", &[third, "--json"]).await;
    let extended: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &extended["settled"]), (Some(0), &json!(1)));
    assert!(extended["lease_expires_at"].is_string(), "{json}");

    let (code, stdout, stderr) = consumer(url, "ack", &[&leases[0]]).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(stdout, format!("acknowledged  {}\n", leases[0]));

    // A stale lease is reported, and the valid one beside it is settled.
    let options = [
        &*leases[0],
        &*leases[1],
        "--reason",
        "no paper",
        "--delay",
        "0s",
    ];
    let (code, stdout, stderr) = consumer(url, "nack", &options).await;
    assert_eq!(code, Some(1));
    let expected = format!("stale         {}\nrejected      {}\n", leases[0], leases[1]);
    assert_eq!(stdout, expected);
    assert!(
        stderr.starts_with("posthorn: stale leases: 1 of 2. "),
        "{stderr}"
    );
    for action in ["ack", "nack", "extend"] {
        let (code, json, _) = consumer(url, action, &["--json", "unknown", &leases[0]]).await;
        let outcome: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(code, Some(1), "{action}");
        assert_eq!(outcome["settled"], 0, "{action}");
        assert_eq!(outcome["stale"], json!(["unknown", leases[0]]), "{action}");
    }

    let (_, lines, _) = consumer(url, "pull", &["--wait", "20s"]).await;
    assert!(lines.contains("  2  ") && lines.contains("two"), "{lines}");
    let (code, stdout, _) = consumer(url, "ack", &[&tokens(&lines)[0], third]).await;
    assert_eq!((code, stdout.lines().count()), (Some(0), 2));
    assert_eq!(
        consumer(url, "pull", &[]).await,
        (Some(0), String::new(), String::new())
    );
    let status = server.get_json(PATH).await;
    assert_eq!(
        (&status["waiting"], &status["in_flight"]),
        (&json!(0), &json!(0))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_call_exits_with_1_and_one_that_may_succeed_later_with_75() {
    let stub = StubConsumer::start().await;
    stub.state().exists = false;
    for (action, options) in [
        ("pull", &[][..]),
        ("ack", &["a"]),
        ("nack", &["a"]),
        ("extend", &["a"]),
    ] {
        stub.state().is_down = false;
        let (code, stdout, stderr) = consumer(&stub.url, action, options).await;
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{action}");
        assert!(stderr.contains("404 not-found"), "{stderr}");
        stub.state().is_down = true;
        let (code, ..) = consumer(&stub.url, action, options).await;
        assert_eq!(code, Some(75), "{action}");
    }
}
