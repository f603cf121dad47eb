//! The `traceparent` of a message: kept as its sender sent it, and handed on.

use serde_json::{Value, json};

use crate::support::{Response, TestServer};

const BATCH: &str = "/api/v1/topics/t/messages/batch";
const EVENTS: &str = "application/cloudevents-batch+json";
const JSON: &str = "application/json";
const MESSAGES: &str = "/api/v1/topics/t/messages";
const ONE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const OTHER: &str = "00-11111111111111111111111111111111-2222222222222222-00";

async fn send(server: &TestServer, traceparents: &[&str], body: &Value) -> Response {
    send_to(server, MESSAGES, JSON, traceparents, body).await
}

async fn send_to(
    server: &TestServer,
    path: &str,
    content_type: &str,
    traceparents: &[&str],
    body: &Value,
) -> Response {
    let given = traceparents.iter().map(|given| ("traceparent", *given));
    let headers: Vec<_> = given.chain([("Content-Type", content_type)]).collect();
    let response = server.call("POST", path, &headers, body.to_string()).await;
    assert_eq!(response.status, 201, "{response:?}");
    response
}

/// The `traceparent` of each message of the topic, `None` where the member is absent.
async fn kept(server: &TestServer) -> Vec<Option<String>> {
    let page = server.get(MESSAGES).await.json();
    let traceparent = |message: &Value| {
        let member = message.as_object().unwrap().get("traceparent");
        member.map(|member| member.as_str().unwrap().to_owned())
    };
    let messages = page["messages"].as_array().unwrap();
    messages.iter().map(traceparent).collect()
}

fn event(id: u32, traceparent: Option<&str>) -> Value {
    let mut event = json!({"specversion": "1.0", "id": id.to_string(), "source": "/a",
        "type": "t", "data": "text"});
    if let Some(traceparent) = traceparent {
        event["traceparent"] = traceparent.into();
    }
    event
}

#[tokio::test]
async fn a_message_keeps_the_traceparent_of_its_request() {
    let server = TestServer::start();
    let message = json!({"message": "text"});
    let response = send(&server, &[ONE], &message).await;
    assert!(response.json().get("traceparent").is_none());
    let location = response.header("location").unwrap();
    assert_eq!(server.get(location).await.json()["traceparent"], ONE);
    for (given, expected) in [
        (&[][..], None),
        (&[OTHER], Some(OTHER)),
        (&["00-0-0-01"], None),
        (&[ONE, OTHER], None),
    ] {
        send(&server, given, &message).await;
        assert_eq!(kept(&server).await.pop().unwrap().as_deref(), expected);
    }
}

#[tokio::test]
async fn of_a_later_version_the_known_part_is_kept() {
    let server = TestServer::start();
    let later = format!("{}-more", ONE.replacen("00", "cc", 1));
    send(&server, &[&later], &json!({"message": "text"})).await;
    assert_eq!(kept(&server).await, [Some(ONE.to_owned())]);
}

#[tokio::test]
async fn the_messages_of_a_batch_share_that_of_their_request() {
    let server = TestServer::start();
    let batch = json!([{"message": "a"}, {"message": "b"}]);
    send_to(&server, BATCH, JSON, &[ONE], &batch).await;
    send_to(&server, BATCH, JSON, &[], &batch).await;
    let one = Some(ONE.to_owned());
    assert_eq!(kept(&server).await, [one.clone(), one, None, None]);
}

#[tokio::test]
async fn an_event_has_its_own_and_keeps_it_as_an_attribute() {
    let server = TestServer::start();
    let events = json!([
        event(1, None),
        event(2, Some(OTHER)),
        event(3, Some("invalid"))
    ]);
    send_to(&server, BATCH, EVENTS, &[ONE], &events).await;
    let structured = event(4, Some(OTHER));
    send_to(
        &server,
        MESSAGES,
        "application/cloudevents+json",
        &[],
        &structured,
    )
    .await;
    let binary = [
        ("ce-specversion", "1.0"),
        ("ce-id", "5"),
        ("ce-source", "/a"),
        ("ce-type", "t"),
        ("ce-traceparent", OTHER),
        ("traceparent", ONE),
    ];
    let response = server.call("POST", MESSAGES, &binary, "text").await;
    let location = response.header("location").unwrap();
    let message = server.get(location).await.json();
    assert_eq!(message["attributes"]["ce.traceparent"], OTHER);
    let (one, other) = (Some(ONE.to_owned()), Some(OTHER.to_owned()));
    let expected = [one.clone(), other.clone(), one, other.clone(), other];
    assert_eq!(kept(&server).await, expected);
}

#[tokio::test]
async fn a_retry_may_come_from_another_span() {
    let server = TestServer::start();
    let (message, key) = (r#"{"message":"text"}"#, ("Idempotency-Key", "key"));
    for traceparent in [ONE, OTHER] {
        let headers = [("Content-Type", JSON), key, ("traceparent", traceparent)];
        let response = server.call("POST", MESSAGES, &headers, message).await;
        assert_eq!(response.status, 201, "{response:?}");
    }
    assert_eq!(kept(&server).await, [Some(ONE.to_owned())]);
}
