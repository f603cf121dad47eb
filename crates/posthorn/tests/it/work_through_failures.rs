//! Consumers on the real binary, with workers that fail and are killed, and with retention that is
//! faster than the workers.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use posthorn_testkit::{RedisServer, eventually};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Child;

use crate::support::{PATIENCE, Server, posthorn};

const CONSUMER: &str = "/api/v1/topics/jobs/consumers/mailer";
/// The last message can never succeed.
const MESSAGES: usize = 31;
/// Records its effect under a lock. Every third run fails, and each run for the poison message, until the
/// file `mended` exists.
const SCRIPT: &str = r#"
exec 9>>lock; flock 9
echo "$POSTHORN_ID $POSTHORN_ATTEMPT" >> effects
[ ! -e mended ] || exit 0
[ "$(cat)" != poison ] || exit 7
[ $(($(wc -l < effects) % 3)) -ne 0 ]
"#;

async fn call(server: &Server, method: Method, path: &str, body: Value) -> Value {
    let request = server
        .client
        .request(method, format!("{}{path}", server.url));
    let response = request.json(&body).send().await.unwrap();
    let response = response.error_for_status().unwrap();
    response.json().await.unwrap()
}

async fn send(server: &Server, text: &str) {
    let body = json!({"message": text});
    call(server, Method::POST, "/api/v1/topics/jobs/messages", body).await;
}

fn start_worker(directory: &Path, server: &Server) -> Child {
    posthorn(directory)
        .args(["work", "jobs", "--consumer", "mailer", "--concurrency", "4"])
        .args(["--lease", "1s", "--", "sh", "-c", SCRIPT])
        .env("POSTHORN_URL", &server.url)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The recorded effects: message ids with the numbers of their attempts.
fn effects(directory: &Path) -> Vec<String> {
    let text = fs::read_to_string(directory.join("effects")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Waits until no message waits or is in flight; returns the number of dead letters.
async fn worked_off(server: &Server) -> u64 {
    let mut dead = None;
    eventually(PATIENCE, async || {
        let state = server.get_json(CONSUMER).await;
        dead = state["dead"].as_u64();
        state["waiting"] == 0 && state["in_flight"] == 0
    })
    .await;
    dead.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_fail_and_are_killed_leave_one_effect_for_each_attempt() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[("STORE_URL", "file:data/posthorn.db")]).await;
    let settings = json!({"max_attempts": 2, "backoff_seconds": [0]});
    call(&server, Method::PUT, CONSUMER, settings).await;
    for number in 1..MESSAGES {
        send(&server, &format!("message {number}")).await;
    }
    send(&server, "poison").await;

    let mut worker = start_worker(directory.path(), &server);
    eventually(PATIENCE, async || effects(directory.path()).len() >= 10).await;
    worker.kill().await.unwrap();
    let _worker = start_worker(directory.path(), &server);
    let dead = worked_off(&server).await;

    // A run of the killed worker may have recorded its effect and not settled it: the message comes again
    // with the next attempt. No attempt has two effects.
    let recorded = effects(directory.path());
    let attempts: BTreeSet<_> = recorded.iter().collect();
    assert_eq!(attempts.len(), recorded.len(), "{recorded:#?}");
    let messages: BTreeSet<_> = recorded
        .iter()
        .filter_map(|line| Some(line.split_once(' ')?.0))
        .collect();
    let letters = server.get_json(&format!("{CONSUMER}/dead?limit=200")).await;
    let letters = letters["messages"].as_array().unwrap();
    assert_eq!(letters.len() as u64, dead);
    for letter in letters {
        assert_eq!(letter["attempts"], 2);
        let reason = letter["reason"].as_str().unwrap();
        let expected = match letter["message"].as_str().unwrap() {
            "poison" => "exit code 7",
            _ => "exit code 1",
        };
        assert!([expected, "lease expired"].contains(&reason), "{letter}");
    }
    assert!(letters.iter().any(|letter| letter["message"] == "poison"));
    // All others have an effect that was acknowledged; a killed worker may have had no time for a first one.
    let ids = letters.iter().map(|letter| letter["id"].as_str().unwrap());
    let handled: BTreeSet<_> = messages.into_iter().chain(ids.clone()).collect();
    assert_eq!(handled.len(), MESSAGES);

    // What died is handed out anew.
    fs::write(directory.path().join("mended"), "").unwrap();
    let body = json!({});
    let redriven = call(
        &server,
        Method::POST,
        &format!("{CONSUMER}/dead/redrive"),
        body,
    )
    .await;
    assert_eq!(redriven["redriven"], dead);
    assert_eq!(worked_off(&server).await, 0);
    let again: BTreeSet<_> = effects(directory.path())
        .split_off(recorded.len())
        .into_iter()
        .collect();
    let expected: BTreeSet<_> = ids.map(|id| format!("{id} 1")).collect();
    assert_eq!(again, expected);
}

/// Retention keeps five of twelve messages, of which two are settled and one is in flight.
async fn check_missed(store: &str) {
    let directory = TempDir::new().unwrap();
    let environment = [("STORE_URL", store), ("RETENTION_COUNT", "5")];
    let server = Server::start(&directory, &environment).await;
    call(&server, Method::PUT, CONSUMER, json!({})).await;
    for number in 1..=12 {
        send(&server, &format!("message {number}")).await;
    }
    let post = |name: &str, body| {
        let path = format!("{CONSUMER}/{name}");
        async { call(&server, Method::POST, &{ path }, body).await }
    };
    let pulled = post("pull", json!({"max": 3})).await;
    let lease = |index: usize| pulled["messages"][index]["lease"].clone();
    let settled = post("ack", json!({"leases": [lease(0), lease(1)]})).await;
    assert_eq!(settled["settled"], 2);
    eventually(PATIENCE, async || {
        server.get_json(CONSUMER).await["missed"] != 0
    })
    .await;
    let counts = async || {
        let state = server.get_json(CONSUMER).await;
        ["waiting", "in_flight", "dead", "missed"].map(|name| state[name].as_u64().unwrap())
    };
    assert_eq!(counts().await, [5, 1, 0, 4], "{store}");
    // The message in flight is missed when its lease ends without an acknowledgement.
    let rejected = post("nack", json!({"leases": [lease(2)]})).await;
    assert_eq!(rejected["settled"], 1);
    assert_eq!(counts().await, [5, 0, 0, 5], "{store}");
    let pulled = post("pull", json!({})).await;
    assert_eq!(pulled["messages"][0]["message"], "message 8", "{store}");
    let series = r#"app_consumer_missed{topic="jobs",consumer="mailer"}"#;
    eventually(PATIENCE, async || server.metric(series).await == Some(5.0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_retention_takes_from_a_consumer_is_missed_in_every_store() {
    let redis = RedisServer::start().await;
    let redis_url = redis.url();
    tokio::join!(
        check_missed("memory:"),
        check_missed("file:data/posthorn.db"),
        check_missed(&redis_url),
    );
}
