//! Events of `CloudEvents`, in structured and in binary mode.

use serde_json::{Value, json};

use crate::support::{Response, TestServer};

const PATH: &str = "/api/v1/topics/t/messages";
const EVENT: (&str, &str) = (
    "Content-Type",
    "application/cloudevents+json; charset=utf-8",
);
const JSON: (&str, &str) = ("Content-Type", "application/json");

async fn structured(server: &TestServer, event: &Value) -> Response {
    server.call("POST", PATH, &[EVENT], event.to_string()).await
}

async fn binary(server: &TestServer, headers: &[(&str, &str)], data: &str) -> Response {
    let attributes = [
        ("ce-specversion", "1.0"),
        ("CE-ID", "1"),
        ("ce-source", "/sensor"),
        ("ce-type", "reading"),
    ];
    let headers = [&attributes[..], headers].concat();
    server.call("POST", PATH, &headers, data).await
}

/// The text and the attributes of the message that `response` acknowledges.
async fn stored(server: &TestServer, response: &Response) -> (String, Value) {
    assert_eq!(response.status, 201, "{response:?}");
    let message = server
        .get(response.header("location").unwrap())
        .await
        .json();
    let text = message["message"].as_str().unwrap().to_owned();
    (text, message["attributes"].clone())
}

/// The failing fields with their codes and pointers.
#[track_caller]
fn failing(response: &Response) -> Vec<(String, String, Option<String>)> {
    let problem = response.assert_problem(400, "validation-failed");
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let errors = problem["errors"].as_array().unwrap().iter();
    errors
        .map(|error| {
            let [field, code, pointer] =
                ["field", "code", "pointer"].map(|name| text(&error[name]));
            (field.unwrap(), code.unwrap(), pointer)
        })
        .collect()
}

#[tokio::test]
async fn an_event_becomes_a_message_in_either_mode() {
    let server = TestServer::start();
    let event = json!({"specversion": "1.0", "id": "1", "source": "/a", "type": "t",
        "subject": "дом", "time": "2026-11-28T10:00:00Z", "dataschema": "urn:s",
        "datacontenttype": "application/json", "retries": 3, "urgent": true, "none": null,
        "data": {"b": [1, 2], "a": "x  y"}});
    // The members keep their order.
    let body = event.to_string().replace(
        r#"{"a":"x  y","b":[1,2]}"#,
        "{ \"b\" : [1, 2.50],\n\"a\": \"x  y\" }",
    );
    let response = server.call("POST", PATH, &[EVENT], body).await;
    let expected = json!({"ce.id": "1", "ce.source": "/a", "ce.type": "t", "ce.subject": "дом",
        "ce.time": "2026-11-28T10:00:00Z", "ce.dataschema": "urn:s", "ce.retries": "3",
        "ce.urgent": "true"});
    let text = r#"{"b":[1,2.50],"a":"x  y"}"#.to_owned();
    assert_eq!(stored(&server, &response).await, (text, expected));

    let headers = [
        JSON,
        ("ce-subject", "%D0%B4%D0%BE%D0%BC"),
        ("ce-urgent", "true"),
    ];
    let response = binary(&server, &headers, "[ 1, \"a b\" ]").await;
    let expected = json!({"ce.id": "1", "ce.source": "/sensor", "ce.type": "reading",
        "ce.subject": "дом", "ce.urgent": "true"});
    assert_eq!(
        stored(&server, &response).await,
        (r#"[1,"a b"]"#.to_owned(), expected)
    );
}

#[tokio::test]
async fn a_quoted_header_is_unescaped_and_then_decoded() {
    let server = TestServer::start();
    let headers = [
        JSON,
        ("ce-subject", r#""a \"b\" %D0%B4%22""#),
        ("ce-note", r#"a "b""#),
    ];
    let response = binary(&server, &headers, "1").await;
    let (_, attributes) = stored(&server, &response).await;
    assert_eq!(attributes["ce.subject"], "a \"b\" д\"");
    assert_eq!(attributes["ce.note"], "a \"b\"");
}

#[tokio::test]
async fn a_retry_with_another_trace_is_the_same_event() {
    let server = TestServer::start();
    let trace = |digit: &str| format!("00-{}-b7ad6b7169203331-01", digit.repeat(32));
    let mut receipts = Vec::new();
    for digit in ["1", "2"] {
        let (parent, state) = (trace(digit), format!("a={digit}"));
        let headers = [
            JSON,
            ("ce-traceparent", parent.as_str()),
            ("ce-tracestate", state.as_str()),
        ];
        receipts.push(binary(&server, &headers, "1").await);
    }
    let event = json!({"specversion": "1.0", "id": "1", "source": "/sensor", "type": "reading",
        "data": 1, "traceparent": trace("3"), "tracestate": "a=3"});
    receipts.push(structured(&server, &event).await);
    for again in &receipts[1..] {
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        assert_eq!(again.json(), receipts[0].json());
    }
    let (_, attributes) = stored(&server, &receipts[0]).await;
    assert_eq!(attributes["ce.traceparent"], trace("1"));
    assert_eq!(attributes["ce.tracestate"], "a=1");
}

#[tokio::test]
async fn data_that_is_text_is_the_text() {
    let server = TestServer::start();
    let event =
        json!({"specversion": "1.0", "id": "1", "source": "/a", "type": "t", "data": " x\r\ny "});
    assert_eq!(
        stored(&server, &structured(&server, &event).await).await.0,
        "x\ny"
    );
    for (number, (kind, data, text)) in [
        ("application/json", "\"hot \\u043f\"", "hot п"),
        (
            "application/json",
            "12345678901234567890.10",
            "12345678901234567890.10",
        ),
        ("text/plain", "\"quoted\"", "\"quoted\""),
        ("application/xml", "<a/>", "<a/>"),
    ]
    .into_iter()
    .enumerate()
    {
        let source = format!("/{number}");
        let headers = [
            ("Content-Type", kind),
            ("ce-specversion", "1.0"),
            ("ce-id", "1"),
            ("ce-source", source.as_str()),
            ("ce-type", "t"),
        ];
        let response = server.call("POST", PATH, &headers, data).await;
        assert_eq!(stored(&server, &response).await.0, text, "{kind}");
    }
}

#[tokio::test]
async fn source_and_id_are_the_key_unless_the_header_gives_one() {
    let server = TestServer::start();
    let event = |source: &str, data: &str| json!({"specversion": "1.0", "id": "1", "source": source, "type": "t", "data": data});
    let first = structured(&server, &event("/a", "x")).await;
    assert_eq!(first.header("idempotency-replayed"), None);
    let again = structured(&server, &event("/a", "x")).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.json(), first.json());
    structured(&server, &event("/a", "y"))
        .await
        .assert_problem(422, "idempotency-key-reused");
    let other = structured(&server, &event("/b", "x")).await;
    assert_eq!(other.header("idempotency-replayed"), None);
    let headers = [EVENT, ("Idempotency-Key", "mine")];
    let keyed = server
        .call("POST", PATH, &headers, event("/a", "x").to_string())
        .await;
    assert_eq!(keyed.header("idempotency-replayed"), None);
}

#[tokio::test]
async fn every_failing_attribute_is_named() {
    let server = TestServer::start();
    let event = json!({"specversion": "0.3", "id": "", "type": "t", "Upper": "x", "deep": {},
        "long": "x".repeat(257)});
    let mut found = failing(&structured(&server, &event).await);
    found.sort();
    let expected = [
        ("Upper", "pattern"),
        ("data", "required"),
        ("deep", "not-a-string"),
        ("id", "required"),
        ("long", "length"),
        ("source", "required"),
        ("specversion", "choice"),
    ];
    let expected = expected
        .map(|(field, code)| (field.to_owned(), code.to_owned(), Some(format!("/{field}"))));
    assert_eq!(found, expected);

    let response = binary(&server, &[JSON, ("ce-id", "2"), ("ce-x", "%FF")], "null").await;
    let mut found = failing(&response);
    found.sort();
    let expected = [
        ("ce-id", "duplicate-field"),
        ("ce-x", "not-utf-8"),
        ("data", "required"),
    ];
    let expected = expected.map(|(field, code)| (field.to_owned(), code.to_owned(), None));
    assert_eq!(found, expected);

    let mut event =
        json!({"specversion": "1.0", "id": "1", "source": "/a", "type": "t", "data": "x"});
    for number in 0..14 {
        event[format!("x{number:02}")] = "v".into();
    }
    let found = failing(&structured(&server, &event).await);
    let code = found.iter().map(|(_, code, _)| code.as_str());
    assert_eq!(code.collect::<Vec<_>>(), ["too-many"]);
}

#[tokio::test]
async fn binary_data_and_broken_events_are_refused() {
    let server = TestServer::start();
    let event = json!({"specversion": "1.0", "id": "1", "source": "/a", "type": "t", "data_base64": "AA=="});
    structured(&server, &event)
        .await
        .assert_problem(415, "unsupported-media-type");
    let image = ("Content-Type", "application/octet-stream");
    binary(&server, &[image], "x")
        .await
        .assert_problem(415, "unsupported-media-type");
    binary(&server, &[JSON], "{")
        .await
        .assert_problem(400, "malformed-json");
    let text = ("Content-Type", "text/plain");
    binary(&server, &[text], "")
        .await
        .assert_problem(400, "validation-failed");
    for body in ["{", "", "{} {}"] {
        let response = server.call("POST", PATH, &[EVENT], body).await;
        response.assert_problem(400, "malformed-json");
    }
    for body in ["[]", "null", "1"] {
        let response = server.call("POST", PATH, &[EVENT], body).await;
        assert_eq!(failing(&response)[0].1, "invalid-type", "{body}");
    }
}
