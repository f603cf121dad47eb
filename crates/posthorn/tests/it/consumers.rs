//! Consumers over HTTP, on the real binary with its embedded store and in memory.

use posthorn_testkit::eventually;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{PATIENCE, Server};

pub(crate) const CONSUMER: &str = "/api/v1/topics/jobs/consumers/mailer";

impl Server {
    pub(crate) async fn call(&self, method: Method, path: &str, body: Value) -> Response {
        let request = self.client.request(method, format!("{}{path}", self.url));
        request.json(&body).send().await.unwrap()
    }

    pub(crate) async fn consumer(&self, call: &str, body: Value) -> Value {
        let response = self
            .call(Method::POST, &format!("{CONSUMER}/{call}"), body)
            .await;
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.unwrap()
    }

    pub(crate) async fn state(&self) -> Value {
        self.get(CONSUMER).await.json().await.unwrap()
    }

    pub(crate) async fn send(&self, texts: &[&str]) {
        for text in texts {
            let body = json!({"message": text});
            let sent = self.call(Method::POST, "/api/v1/topics/jobs/messages", body);
            assert_eq!(sent.await.status(), StatusCode::CREATED);
        }
    }
}

/// Quotas off: the tests send more than ten messages a minute.
pub(crate) async fn start(store: &str) -> (TempDir, Server) {
    let directory = TempDir::new().unwrap();
    let environment = [("STORE_URL", store), ("RATE_LIMIT_ENABLED", "false")];
    let server = Server::start(&directory, &environment).await;
    (directory, server)
}

fn tokens(pulled: &Value) -> Vec<Value> {
    let messages = pulled["messages"].as_array().unwrap();
    messages
        .iter()
        .map(|message| message["lease"].clone())
        .collect()
}

pub(crate) fn texts(pulled: &Value) -> Vec<&str> {
    let messages = pulled["messages"].as_array().unwrap();
    messages
        .iter()
        .map(|message| message["message"].as_str().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_worked_off() {
    for store in ["memory:", "file:data/posthorn.db"] {
        let (_directory, server) = start(store).await;
        server.send(&["one", "two", "three"]).await;
        let created = server
            .call(
                Method::PUT,
                CONSUMER,
                json!({"max_attempts": 2, "backoff_seconds": [0]}),
            )
            .await;
        assert_eq!(created.status(), StatusCode::CREATED);
        assert_eq!(created.headers()["location"], CONSUMER);
        assert!(created.headers().contains_key("etag"));
        let resource: Value = created.json().await.unwrap();
        assert_eq!(resource["waiting"], 3);
        assert_eq!(resource["backoff_seconds"], json!([0]));

        // Two are acknowledged; the same tokens a second time are stale.
        let pulled = server.consumer("pull", json!({"max": 2})).await;
        assert_eq!(texts(&pulled), ["one", "two"]);
        assert_eq!(pulled["messages"][0]["attempt"], 1);
        let leases = json!({"leases": tokens(&pulled)});
        let acknowledged = server.consumer("ack", leases.clone()).await;
        assert_eq!(acknowledged, json!({"settled": 2, "stale": []}));
        let again = server.consumer("ack", leases).await;
        assert_eq!(
            (&again["settled"], again["stale"].as_array().unwrap().len()),
            (&json!(0), 2)
        );

        // One dies of its second failed attempt, with the last reason, and is brought back.
        for attempt in 1..=2 {
            let pulled = server.consumer("pull", json!({})).await;
            assert_eq!(pulled["messages"][0]["attempt"], attempt);
            let body = json!({"leases": tokens(&pulled), "reason": "no route"});
            assert_eq!(server.consumer("nack", body).await["settled"], 1);
        }
        let state = server.state().await;
        assert_eq!((&state["waiting"], &state["dead"]), (&json!(0), &json!(1)));
        assert_eq!(state["oldest_waiting_at"], Value::Null);
        let dead: Value = server
            .get(&format!("{CONSUMER}/dead"))
            .await
            .json()
            .await
            .unwrap();
        assert_eq!(dead["messages"][0]["reason"], "no route");
        assert_eq!(dead["messages"][0]["attempts"], 2);
        // The low part of the last two is no sequence number of a store.
        let others = [
            "01kb7q3v5t0000000000000007",
            "01KB7Q3V5TZZZZZZZZZZZZZZZY",
            "01KB7Q3V5TZZZZZZZZZZZZZZZZ",
        ];
        let none = server
            .consumer("dead/redrive", json!({"ids": others}))
            .await;
        assert_eq!(
            none,
            json!({"redriven": 0, "remaining": 1, "unknown": others})
        );
        let redriven = server.consumer("dead/redrive", json!({})).await;
        assert_eq!(
            redriven,
            json!({"redriven": 1, "remaining": 0, "unknown": []})
        );
        let pulled = server.consumer("pull", json!({})).await;
        assert_eq!(
            (texts(&pulled), &pulled["messages"][0]["attempt"]),
            (vec!["three"], &json!(1))
        );

        // A seek makes the lease stale and hands everything out again.
        let sought = server.consumer("seek", json!({"to": "oldest"})).await;
        assert_eq!(
            (&sought["waiting"], &sought["in_flight"]),
            (&json!(3), &json!(0))
        );
        let outdated = server
            .consumer("ack", json!({"leases": tokens(&pulled)}))
            .await;
        assert_eq!(outdated["settled"], 0);
        let deleted = server.call(Method::DELETE, CONSUMER, Value::Null).await;
        assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
        assert_eq!(server.get(CONSUMER).await.status(), StatusCode::NOT_FOUND);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_changed_under_a_precondition() {
    let (_directory, server) = start("memory:").await;
    let put = async |header: &str, value: &str, body: Value| {
        let request = server.client.put(format!("{}{CONSUMER}", server.url));
        request
            .header(header, value)
            .json(&body)
            .send()
            .await
            .unwrap()
    };
    let absent = put("If-Match", "*", json!({})).await;
    assert_eq!(absent.status(), StatusCode::PRECONDITION_FAILED);
    let created = put("If-None-Match", "*", json!({"lease_seconds": 0.5 + 1.0})).await;
    assert_eq!(created.status(), StatusCode::CREATED);
    let tag = created.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(
        put("If-None-Match", "*", json!({})).await.status(),
        StatusCode::PRECONDITION_FAILED
    );
    let changed = put("If-Match", &tag, json!({"max_attempts": 7})).await;
    assert_eq!(changed.status(), StatusCode::OK);
    let state: Value = changed.json().await.unwrap();
    assert_eq!(
        (&state["max_attempts"], &state["lease_seconds"]),
        (&json!(7), &json!(30))
    );
    let outdated = put("If-Match", &tag, json!({})).await;
    assert_eq!(outdated.status(), StatusCode::PRECONDITION_FAILED);
    let problem: Value = outdated.json().await.unwrap();
    assert_eq!(problem["code"], "precondition-failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_names_every_field() {
    let (_directory, server) = start("memory:").await;
    let body = json!({"lease_seconds": 0.2, "max_attempts": "5", "backoff_seconds": [], "start": "yesterday", "x": 1});
    let refused = server.call(Method::PUT, CONSUMER, body).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    let problem: Value = refused.json().await.unwrap();
    let errors = problem["errors"].as_array().unwrap();
    let fields: Vec<_> = errors
        .iter()
        .map(|error| {
            (
                error["field"].as_str().unwrap(),
                error["code"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("x", "unknown-field"),
        ("start", "position"),
        ("lease_seconds", "seconds"),
        ("max_attempts", "not-a-number"),
        ("backoff_seconds", "entries"),
    ];
    assert_eq!(fields, expected);
    server.call(Method::PUT, CONSUMER, json!({})).await;
    // Tokens that are none are stale and no error.
    let stale = server
        .consumer(
            "ack",
            json!({"leases": ["nonsense", "nonsense", "x".repeat(500)]}),
        )
        .await;
    assert_eq!(
        (&stale["settled"], stale["stale"].as_array().unwrap().len()),
        (&json!(0), 2)
    );
    for place in 0..64 {
        let path = format!("/api/v1/topics/full/consumers/c{place}");
        assert_eq!(
            server.call(Method::PUT, &path, json!({})).await.status(),
            StatusCode::CREATED
        );
    }
    let more = server
        .call(Method::PUT, "/api/v1/topics/full/consumers/more", json!({}))
        .await;
    assert_eq!(more.status(), StatusCode::CONFLICT);
    let problem: Value = more.json().await.unwrap();
    assert_eq!(problem["code"], "limit-reached");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_pull_ends_with_the_first_message() {
    for store in ["memory:", "file:data/posthorn.db"] {
        let (_directory, server) = start(store).await;
        server.call(Method::PUT, CONSUMER, json!({})).await;
        let waiting = server.consumer("pull", json!({"wait_seconds": 20}));
        let sending = async {
            // Not before the pull waits, or it would find the message at once.
            eventually(PATIENCE, async || {
                server.state().await["last_pull_at"] != Value::Null
            })
            .await;
            server.send(&["hello"]).await;
        };
        let (pulled, ()) = tokio::join!(waiting, sending);
        assert_eq!(texts(&pulled), ["hello"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_pull_ends_empty_at_shutdown_and_with_404_at_deletion() {
    let (_directory, server) = start("memory:").await;
    server.call(Method::PUT, CONSUMER, json!({})).await;
    let pull = format!("{CONSUMER}/pull");
    let waiting = server.call(Method::POST, &pull, json!({"wait_seconds": 20}));
    let deleting = async {
        eventually(PATIENCE, async || {
            server.state().await["last_pull_at"] != Value::Null
        })
        .await;
        server.call(Method::DELETE, CONSUMER, Value::Null).await;
    };
    let (ended, ()) = tokio::join!(waiting, deleting);
    assert_eq!(ended.status(), StatusCode::NOT_FOUND);

    server.call(Method::PUT, CONSUMER, json!({})).await;
    let request = server.client.post(format!("{}{CONSUMER}/pull", server.url));
    let waiting = request.json(&json!({"wait_seconds": 20})).send();
    let waiting = tokio::spawn(waiting);
    eventually(PATIENCE, async || {
        server.state().await["last_pull_at"] != Value::Null
    })
    .await;
    server.signal("TERM").await;
    let pulled: Value = waiting.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(pulled, json!({"messages": []}));
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledgements_and_leases_survive_a_kill() {
    let directory = TempDir::new().unwrap();
    let environment = [("RATE_LIMIT_ENABLED", "false")];
    let server = Server::start(&directory, &environment).await;
    server.send(&["one", "two", "three"]).await;
    server.call(Method::PUT, CONSUMER, json!({})).await;
    let first = server.consumer("pull", json!({"max": 1})).await;
    server
        .consumer("ack", json!({"leases": tokens(&first)}))
        .await;
    let second = server
        .consumer("pull", json!({"max": 1, "lease_seconds": 600}))
        .await;
    server.signal("KILL").await;
    let server = Server::start(&directory, &environment).await;
    let rest = server.consumer("pull", json!({})).await;
    assert_eq!(texts(&rest), ["three"]);
    let settled = server
        .consumer("ack", json!({"leases": tokens(&second)}))
        .await;
    assert_eq!(settled["settled"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_refuse_what_they_do_not_heed() {
    let (_directory, server) = start("memory:").await;
    let put = server.call(Method::PUT, CONSUMER, json!({})).await;
    let tag = put.headers()["etag"].clone();
    let url = |path: &str| format!("{}{CONSUMER}{path}", server.url);
    let json = r#"{"max": 1}"#;

    let request = server.client.post(url("/pull")).body(json);
    let request = request.header("Content-Type", "application/json");
    let coded = request.header("Content-Encoding", "gzip").send().await;
    let coded = coded.unwrap();
    assert_eq!(coded.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(coded.headers()["accept-encoding"], "identity");
    let text = server.client.post(url("/ack")).body(json).send().await;
    let text = text.unwrap();
    assert_eq!(text.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(text.headers()["accept-post"], "application/json");

    for (method, path) in [
        (Method::GET, ""),
        (Method::POST, "/pull"),
        (Method::DELETE, "/dead/00000000000000000000000001"),
    ] {
        let request = server.client.request(method, url(path) + "?wait=1");
        let refused: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(refused["errors"][0]["field"], "wait", "{path}");
        assert_eq!(refused["errors"][0]["code"], "unknown-field", "{path}");
    }

    for (condition, status) in [
        (("If-None-Match", tag.to_str().unwrap()), 412),
        (("If-None-Match", "\"other\""), 200),
        (("If-Match", "\"other\""), 412),
        (("If-Match", tag.to_str().unwrap()), 200),
    ] {
        let request = server.client.put(url("")).json(&json!({}));
        let put = request.header(condition.0, condition.1).send().await;
        assert_eq!(put.unwrap().status(), status, "{condition:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_ulid_is_a_position() {
    let (_directory, server) = start("memory:").await;
    server.send(&["one"]).await;
    // The low part is no sequence number of a store.
    let start = json!({"start": "0000000001ZZZZZZZZZZZZZZZZ"});
    let put = server.call(Method::PUT, CONSUMER, start).await;
    assert_eq!(put.status(), StatusCode::CREATED);
    assert_eq!(texts(&server.consumer("pull", json!({})).await), ["one"]);
    let page = "/api/v1/topics/jobs/messages?after=0000000001ZZZZZZZZZZZZZZZZ";
    let page: Value = server.get(page).await.json().await.unwrap();
    assert_eq!(page["messages"][0]["message"], "one");
}
