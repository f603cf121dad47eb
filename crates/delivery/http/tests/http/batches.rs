//! Batches of messages: all of them or none, one key, one quota.

use std::time::Duration;

use posthorn_application::AccessPolicy;
use posthorn_testkit::samples;
use serde_json::json;

use crate::support::{Quotas, Response, TestServer};

const PATH: &str = "/api/v1/topics/t/messages/batch";
const PAGE: &str = "/api/v1/topics/t/messages";
const LINES: (&str, &str) = ("Content-Type", "application/x-ndjson");
const JSON: (&str, &str) = ("Content-Type", "application/json");
const EVENTS: (&str, &str) = ("Content-Type", "application/cloudevents-batch+json");

/// The texts of the topic, in their order.
async fn texts(server: &TestServer) -> Vec<String> {
    let page = server.get(PAGE).await.json();
    let messages = page["messages"].as_array().unwrap().iter();
    messages
        .map(|message| message["message"].as_str().unwrap().to_owned())
        .collect()
}

fn batch(texts: &[&str]) -> String {
    let messages: Vec<_> = texts
        .iter()
        .map(|text| json!({ "message": text }))
        .collect();
    json!(messages).to_string()
}

#[tokio::test]
async fn the_receipts_are_those_of_the_messages_in_their_order() {
    let server = TestServer::start();
    let body = r#"[{"message": " a ", "attributes": {"k": "v"}}, {"message": "b", "topic": "t"}]"#;
    let headers = [JSON, ("Accept-Language", "en")];
    let response = server.call("POST", PATH, &headers, body).await;
    assert_eq!(response.status, 201, "{response:?}");
    let receipts = response.json()["receipts"].clone();
    let page = server.get(PAGE).await.json();
    for (number, text) in ["a", "b"].into_iter().enumerate() {
        let (receipt, message) = (&receipts[number], &page["messages"][number]);
        assert_eq!(receipt["id"], message["id"]);
        assert_eq!(receipt["message"], format!("Message received: {text}"));
        assert_eq!(receipt["topic"], "t");
        assert_eq!(receipt["success"], true);
        assert_eq!(receipt["durability"], "memory");
    }
    assert_eq!(page["messages"][0]["attributes"], json!({"k": "v"}));
    let lines = "{\"message\": \"c\"}\n\n{\"message\": \"d\"}\n";
    let response = server.call("POST", PATH, &[LINES], lines).await;
    assert_eq!(response.status, 201, "{response:?}");
    let event =
        |id: &str| json!({"specversion": "1.0", "id": id, "source": "/", "type": "t", "data": id});
    let events = json!([event("e"), event("f")]).to_string();
    let response = server.call("POST", PATH, &[EVENTS], events).await;
    assert_eq!(response.status, 201, "{response:?}");
    assert_eq!(texts(&server).await, ["a", "b", "c", "d", "e", "f"]);
}

#[tokio::test]
async fn one_mistake_rejects_the_whole_batch_and_names_the_item() {
    let server = TestServer::start();
    let body = r#"[{"message": "a"}, {"message": ""}, {"message": "b", "attributes": {"K": "v"}}]"#;
    let problem = server
        .post(PATH, body)
        .await
        .assert_problem(400, "validation-failed");
    let errors = problem["errors"].as_array().unwrap().iter();
    let named: Vec<_> = errors
        .map(|error| [&error["field"], &error["pointer"]])
        .collect();
    let expected = [
        ["1.message", "/1/message"],
        ["2.attributes.K", "/2/attributes/K"],
    ];
    assert_eq!(json!(named), json!(expected));
    let lines = "{\"message\": \"a\"}\n\n{\"message\"\n";
    let headers = [LINES, ("Accept-Language", "en")];
    let response = server.call("POST", PATH, &headers, lines).await;
    let problem = response.assert_problem(400, "malformed-json");
    assert_eq!(problem["detail"], "Line 3 is not JSON.");
    let response = server
        .post("/api/v1/topics/No/messages/batch", batch(&["a"]))
        .await;
    response.assert_problem(400, "validation-failed");
    let response = server.post(&format!("{PATH}?x=1"), batch(&["a"])).await;
    response.assert_problem(400, "validation-failed");
    let kind = [("Content-Type", "text/plain")];
    let response = server.call("POST", PATH, &kind, "a").await;
    response.assert_problem(415, "unsupported-media-type");
    assert!(
        response
            .header("accept-post")
            .unwrap()
            .contains("application/x-ndjson")
    );
    assert_eq!(texts(&server).await, Vec::<String>::new());
}

#[tokio::test]
async fn one_key_covers_the_batch_in_any_media_type() {
    let server = TestServer::start();
    let send = async |kind: (&str, &str), body: &str| {
        let headers = [kind, ("Idempotency-Key", "k")];
        server.call("POST", PATH, &headers, body).await
    };
    let first = send(JSON, &batch(&["a", "b"])).await;
    assert_eq!(first.header("idempotency-replayed"), None);
    let again = send(LINES, "{\"message\": \"a\"}\n{\"message\": \"b\"}").await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.json(), first.json());
    send(JSON, &batch(&["a"]))
        .await
        .assert_problem(422, "idempotency-key-reused");
    let headers = [JSON, ("Idempotency-Key", "k")];
    let single = server
        .call("POST", PAGE, &headers, r#"{"message": "a"}"#)
        .await;
    single.assert_problem(422, "idempotency-key-reused");
    assert_eq!(texts(&server).await, ["a", "b"]);
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_rejected_with_its_limit() {
    let server = TestServer::with(|settings| settings.max_batch_bytes = 60_000);
    let english = [JSON, ("Accept-Language", "en")];
    let many = batch(&vec!["a"; 1001]);
    let response = server.call("POST", PATH, &english, &many).await;
    let problem = response.assert_problem(413, "payload-too-large");
    assert_eq!(problem["detail"], "A batch has at most 1000 messages.");
    let long = format!("[{}]", " ".repeat(60_000));
    let response = server.call("POST", PATH, &english, &long).await;
    let problem = response.assert_problem(413, "payload-too-large");
    assert_eq!(problem["detail"], "A batch has at most 60000 bytes.");
    let fits = batch(&vec!["a"; 1000]);
    assert_eq!(server.post(PATH, &fits).await.status, 201);
}

fn left(response: &Response) -> &str {
    response.header("x-ratelimit-remaining").unwrap()
}

#[tokio::test]
async fn a_batch_counts_as_its_messages_and_fits_the_quota_or_not() {
    let server = TestServer::with_quotas(Quotas::default(), |_| {});
    let response = server.post(PATH, batch(&["a"; 6])).await;
    assert_eq!((response.status, left(&response)), (201, "4"));
    let response = server.post(PATH, batch(&["a"; 5])).await;
    let problem = response.assert_problem(429, "rate-limited");
    assert_eq!(problem["violated-policies"], json!(["message-per-minute"]));
    assert_eq!(left(&response), "4", "a denied batch consumes nothing");
    // A batch that is rejected for another reason counts as one request.
    let response = server.post(PATH, "[{}, {}, {}]").await;
    response.assert_problem(400, "validation-failed");
    assert_eq!(left(&response), "3");
    let response = server.post(PATH, batch(&["a"; 2])).await;
    assert_eq!((response.status, left(&response)), (201, "1"));
    let english = [JSON, ("Accept-Language", "en")];
    let response = server.call("POST", PATH, &english, batch(&["a"; 11])).await;
    let problem = response.assert_problem(413, "payload-too-large");
    assert_eq!(
        problem["detail"],
        "A batch of 11 messages never fits the limit of 10."
    );
    assert_eq!(left(&response), "1", "so does one that never fits");
    server.clock.advance(Duration::from_mins(1));
    assert_eq!(server.post(PATH, batch(&["a"; 10])).await.status, 201);
    assert_eq!(texts(&server).await.len(), 18);
}

/// The response to a batch whose body does not arrive.
async fn response_to_unfinished(server: &TestServer) -> Response {
    let mut connection = server.connect().await;
    let head = "Host: a\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n[";
    connection
        .send(format!("POST {PATH} HTTP/1.1\r\n{head}"))
        .await;
    connection.response("POST").await
}

#[tokio::test]
async fn a_client_whose_quota_is_used_up_need_not_send_its_batch() {
    let server = TestServer::with_quotas(Quotas::default(), |_| {});
    assert_eq!(server.post(PATH, batch(&["a"; 10])).await.status, 201);
    let response = response_to_unfinished(&server).await;
    response.assert_problem(429, "rate-limited");
    assert_eq!(left(&response), "0");
}

#[tokio::test]
async fn the_keys_of_a_sender_are_its_own() {
    let server = TestServer::with_access(AccessPolicy::protected(false), |_| {});
    for name in ["alice", "bob"] {
        let claims = samples::claims(name, "messages:write", &["*"]);
        server.tokens.set(name, Ok(claims));
    }
    let send = async |path: &str, token: Option<&str>, body: &str| {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![JSON, ("Idempotency-Key", "k")];
        headers.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
        let response = server.call("POST", path, &headers, body).await;
        assert_eq!(response.status, 201, "{response:?}");
        response.header("idempotency-replayed").is_some()
    };
    let (single, many) = (r#"{"message": "a"}"#, batch(&["a"]));
    for token in [None, Some("alice"), Some("bob")] {
        for (path, body) in [(PAGE, single), ("/api/v1/topics/u/messages/batch", &many)] {
            assert!(!send(path, token, body).await, "{token:?}");
            assert!(send(path, token, body).await, "{token:?}");
        }
    }
}

#[tokio::test]
async fn a_stored_batch_is_answered_however_large_its_receipts_are() {
    let server = TestServer::with(|settings| settings.max_response_bytes = 1 << 20);
    let text = "x".repeat(900);
    let response = server.post(PATH, batch(&[text.as_str(); 1000])).await;
    assert_eq!(response.status, 201);
    assert_eq!(response.json()["receipts"].as_array().unwrap().len(), 1000);
}

#[tokio::test]
async fn a_batch_within_its_limit_fits_however_few_requests_may_be_in_flight() {
    let server = TestServer::with(|settings| settings.max_in_flight = 8);
    let text = "x".repeat(900);
    let response = server.post(PATH, batch(&[text.as_str(); 800])).await;
    assert_eq!(response.status, 201);
}

#[tokio::test]
async fn a_batch_that_never_arrives_counts_as_one_request() {
    let limit = Duration::from_millis(500);
    let server = TestServer::with_quotas(Quotas::default(), |settings| {
        settings.request_timeout = limit;
    });
    let response = response_to_unfinished(&server).await;
    response.assert_problem(408, "request-timeout");
    assert_eq!(left(&response), "9");
}
