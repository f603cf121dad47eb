//! The media types of a message: each becomes the same message, by the same rules.

use serde_json::{Value, json};

use crate::support::{Response, TestServer};

const PATH: &str = "/api/v1/topics/t/messages";
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const TEXT: (&str, &str) = ("Content-Type", "text/plain");

/// The text and the attributes of the message that `response` acknowledges.
async fn stored(server: &TestServer, response: &Response) -> (String, Value) {
    assert_eq!(response.status, 201, "{response:?}");
    let location = response.header("location").unwrap();
    let message = server.get(location).await.json();
    let text = message["message"].as_str().unwrap().to_owned();
    (text, message["attributes"].clone())
}

async fn check(path: &str, headers: &[(&str, &str)], body: &[u8], text: &str, attributes: Value) {
    let server = TestServer::start();
    let response = server.call("POST", path, headers, body).await;
    let found = stored(&server, &response).await;
    assert_eq!(found, (text.to_owned(), attributes));
}

/// Checks the failing fields with their codes, in their order.
#[track_caller]
fn check_failing(response: &Response, expected: &[(&str, &str)]) {
    let problem = response.assert_problem(400, "validation-failed");
    let errors = problem["errors"].as_array().unwrap().iter();
    let found: Vec<_> = errors
        .map(|error| {
            (
                error["field"].as_str().unwrap(),
                error["code"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_text_is_the_body_with_attributes_from_the_query() {
    check(
        PATH,
        &[TEXT],
        b" hi\r\nyou\rthere ",
        "hi\nyou\nthere",
        json!({}),
    )
    .await;
    check(PATH, &[], "привет".as_bytes(), "привет", json!({})).await;
    let path = format!("{PATH}?attribute.room=hall&attribute.note=a+b%2Bc&attribute.empty=");
    let attributes = json!({"room": "hall", "note": "a b+c", "empty": ""});
    check(
        &path,
        &[TEXT],
        b"{\"message\": \"x\"}",
        "{\"message\": \"x\"}",
        attributes,
    )
    .await;
}

#[tokio::test]
async fn a_byte_order_mark_is_no_part_of_a_text() {
    check(
        PATH,
        &[TEXT],
        "\u{feff}hi\u{feff}".as_bytes(),
        "hi\u{feff}",
        json!({}),
    )
    .await;
    check(PATH, &[], "\u{feff}hi".as_bytes(), "hi", json!({})).await;
    let server = TestServer::start();
    let response = server.call("POST", PATH, &[TEXT], "\u{feff}").await;
    check_failing(&response, &[("message", "length")]);
    let response = server.post(PATH, "\u{feff}{\"message\": \"a\"}").await;
    response.assert_problem(400, "malformed-json");
}

#[tokio::test]
async fn a_form_is_its_fields_and_without_an_equals_sign_the_text() {
    check(PATH, &[FORM], b"hi", "hi", json!({})).await;
    check(
        PATH,
        &[FORM],
        b"100% + a%20b & c",
        "100% + a%20b & c",
        json!({}),
    )
    .await;
    check(
        PATH,
        &[FORM],
        b"message=100%+sure%21",
        "100% sure!",
        json!({}),
    )
    .await;
    let body = b"Message=a%0D%0Ab&First+Name=%D0%AF&E-mail=&topic=x&_subject=s&_gotcha=&_next=/";
    let attributes = json!({"first-name": "Я", "e-mail": "", "topic": "x"});
    check(PATH, &[FORM], body, "a\nb", attributes).await;
}

fn multipart(parts: &[(&str, &str)]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (head, value) in parts {
        body.extend(
            format!("--XX\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n").bytes(),
        );
    }
    body.extend(b"--XX--\r\n");
    ("multipart/form-data; boundary=XX".to_owned(), body)
}

#[tokio::test]
async fn a_multipart_form_is_its_fields_without_the_file_that_nobody_chose() {
    let nothing = "name=\"photo\"; filename=\"\"\r\nContent-Type: application/octet-stream";
    let (kind, body) = multipart(&[
        ("name=\"message\"", "a\r\nб=&"),
        (
            "name=\"Room No\"\r\nContent-Type: text/plain; charset=utf-8",
            "12",
        ),
        (nothing, ""),
    ]);
    let headers = [("Content-Type", kind.as_str())];
    check(PATH, &headers, &body, "a\nб=&", json!({"room-no": "12"})).await;
    // As browsers write the name `a"b`.
    let (kind, body) = multipart(&[("name=\"message\"", "x"), ("name=\"a%22b\"", "1")]);
    let headers = [("Content-Type", kind.as_str())];
    check(PATH, &headers, &body, "x", json!({"a-b": "1"})).await;
    check(
        PATH,
        &[FORM],
        b"message=x&a%22b=1",
        "x",
        json!({"a-b": "1"}),
    )
    .await;
}

#[tokio::test]
async fn a_multipart_body_that_is_cut_in_a_head_is_named() {
    let server = TestServer::start();
    let headers = [
        ("Content-Type", "multipart/form-data; boundary=XX"),
        ("Accept-Language", "en"),
    ];
    let body = "--XX\r\nContent-Disposition: form-data; na";
    let response = server.call("POST", PATH, &headers, body).await;
    let problem = response.assert_problem(400, "malformed-body");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("multipart/form-data"), "{detail}");
}

#[tokio::test]
async fn a_field_that_cannot_be_kept_is_named_as_it_was_sent() {
    let server = TestServer::start();
    let send = async |body: &str| server.call("POST", PATH, &[FORM], body).await;
    check_failing(
        &send("message=a&message=b").await,
        &[("message", "duplicate-field")],
    );
    check_failing(
        &send("message=a&MESSAGE=b").await,
        &[("MESSAGE", "duplicate-field")],
    );
    check_failing(
        &send("message=a&k=1&k=2").await,
        &[("k", "duplicate-field")],
    );
    check_failing(
        &send("message=a&A+b=1&a-b=2").await,
        &[("a-b", "key-collision")],
    );
    check_failing(
        &send("a=1&%D0%AF=2").await,
        &[("message", "required"), ("Я", "pattern")],
    );
    check_failing(
        &send("message=+&c=%07").await,
        &[("message", "length"), ("c", "control-character")],
    );
    let many: Vec<_> = (0..17).map(|number| format!("&Field {number}=x")).collect();
    let many = many.concat();
    check_failing(
        &send(&format!("message=a{many}")).await,
        &[("Field 16", "too-many")],
    );
    let long = format!("message=a&l={}", "x".repeat(257));
    check_failing(&send(&long).await, &[("l", "length")]);
    assert_eq!(server.get(PATH).await.json()["messages"], json!([]));
}

#[tokio::test]
async fn parameters_are_attributes_of_a_text_and_nothing_else() {
    let server = TestServer::start();
    let path = format!("{PATH}?attribute.K=1&x=2&attribute.a=1&attribute.a=2&attribute.b=%FF");
    let response = server.call("POST", &path, &[TEXT], "a").await;
    check_failing(
        &response,
        &[
            ("attribute.K", "pattern"),
            ("x", "unknown-field"),
            ("attribute.a", "duplicate-field"),
            ("attribute.b", "not-utf-8"),
        ],
    );
    let path = format!("{PATH}?attribute.a=1");
    let response = server.call("POST", &path, &[FORM], "a").await;
    check_failing(&response, &[("attribute.a", "unknown-field")]);
    let response = server.post(&path, r#"{"message": "a"}"#).await;
    check_failing(&response, &[("attribute.a", "unknown-field")]);
    let response = server.post("/api/message?x=1", r#"{"message": "a"}"#).await;
    assert_eq!(response.status, 201, "the original ignored parameters");
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_malformed() {
    let server = TestServer::start();
    let (kind, whole) = multipart(&[("name=\"message\"", "hello")]);
    let multipart = ("Content-Type", kind.as_str());
    let unnamed = b"--XX\r\nContent-Disposition: form-data\r\n\r\nx\r\n--XX--\r\n";
    let mut cases: Vec<((&str, &str), Vec<u8>)> = vec![
        (TEXT, b"a\xff".to_vec()),
        (FORM, b"a\xff".to_vec()),
        (FORM, b"message=\xff".to_vec()),
        (FORM, b"message=%FF".to_vec()),
        (multipart, unnamed.to_vec()),
        (multipart, b"hello".to_vec()),
    ];
    // Cut at any byte before the end of the last delimiter.
    cases.extend((0..whole.len() - 4).map(|end| (multipart, whole[..end].to_vec())));
    for (kind, body) in cases {
        let response = server.call("POST", PATH, &[kind], &body).await;
        assert_eq!(response.status, 400, "{:?}", String::from_utf8_lossy(&body));
        response.assert_problem(400, "malformed-body");
    }
}

#[tokio::test]
async fn another_media_type_is_refused_with_those_that_are_accepted() {
    let server = TestServer::start();
    let refused = async |path: &str, headers: &[(&str, &str)], body: &[u8]| {
        let response = server.call("POST", path, headers, body).await;
        response.assert_problem(415, "unsupported-media-type");
        response
    };
    for kind in [
        "application/octet-stream",
        "text/html",
        "text/plain; charset=koi8-r",
        "application/x-www-form-urlencoded; charset=windows-1251",
        "application/json; charset=utf-16",
        "application/cloudevents-batch+json",
        "multipart/form-data",
        "nonsense",
    ] {
        let response = refused(PATH, &[("Content-Type", kind)], b"message=a").await;
        let accepted = response.header("accept-post").unwrap();
        assert!(accepted.contains("text/plain"), "{accepted}");
    }
    for headers in [&[][..], &[TEXT], &[FORM]] {
        let response = refused("/api/v1/message", headers, b"message=a").await;
        assert_eq!(response.header("accept-post"), Some("application/json"));
    }
    let coded = [TEXT, ("Content-Encoding", "gzip")];
    let response = refused(PATH, &coded, b"a").await;
    assert_eq!(response.header("accept-encoding"), Some("identity"));
    let response = server.call("POST", "/api/message", &[TEXT], "a").await;
    response.assert_problem(400, "unsupported-media-type");
}

#[tokio::test]
async fn a_part_that_is_no_text_is_refused_by_its_name() {
    let server = TestServer::start();
    for head in [
        "name=\"photo\"; filename=\"a.png\"",
        "name=\"photo\"; filename=\"empty\"",
        "name=\"photo\"; FileName*=UTF-8''%D1%91.png",
        "name=\"photo\"\r\nContent-Type: text/plain; charset=latin1",
        "name=\"photo\"\r\nContent-Transfer-Encoding: base64",
    ] {
        let value = if head.contains("empty") { "" } else { "abc" };
        let (kind, body) = multipart(&[("name=\"message\"", "a"), (head, value)]);
        let headers = [("Content-Type", kind.as_str()), ("Accept-Language", "en")];
        let response = server.call("POST", PATH, &headers, &body).await;
        let problem = response.assert_problem(415, "unsupported-media-type");
        assert!(
            problem["detail"].as_str().unwrap().contains("photo"),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn every_format_has_the_limits_and_the_retries_of_json() {
    let server = TestServer::with(|settings| settings.max_message_length = 3);
    let response = server.call("POST", PATH, &[TEXT], "жжжж").await;
    check_failing(&response, &[("message", "length")]);
    let key = ("Idempotency-Key", "\"k\"");
    let first = server.call("POST", PATH, &[TEXT, key], "жжж").await;
    let bare = ("Idempotency-Key", "k");
    let again = server
        .call("POST", PATH, &[FORM, bare], "message=%D0%B6%D0%B6%D0%B6")
        .await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.json(), first.json());
    let other = server.call("POST", PATH, &[FORM, bare], "message=a").await;
    other.assert_problem(422, "idempotency-key-reused");
    let large = "x".repeat(70_000);
    let response = server.call("POST", PATH, &[TEXT], &large).await;
    response.assert_problem(413, "payload-too-large");
    let response = server
        .call("POST", "/api/v1/topics/No/messages", &[TEXT], "a")
        .await;
    check_failing(&response, &[("topic", "pattern")]);
}

#[tokio::test]
async fn a_notification_of_apprise_keeps_its_title_and_type() {
    let json = ("Content-Type", "application/json");
    let sent = json!({"version": "1.0", "title": "Backup", "message": "It failed", "attachments": [],
        "type": "failure"});
    let attributes = json!({"title": "Backup", "type": "failure", "version": "1.0"});
    let body = sent.to_string();
    check(PATH, &[json], body.as_bytes(), "It failed", attributes).await;

    let server = TestServer::start();
    let failing = async |path: &str, member: &str, value: Value, expected: &[(&str, &str)]| {
        let mut body = sent.clone();
        body[member] = value;
        let response = server.call("POST", path, &[json], body.to_string()).await;
        check_failing(&response, expected);
    };
    failing(PATH, "message", json!(" "), &[("message", "length")]).await;
    let long = "x".repeat(257);
    failing(PATH, "title", json!(long), &[("title", "length")]).await;
    // Anything else is a message with unknown members.
    let unknown = |name| (name, "unknown-field");
    let members = ["attachments", "title", "type", "version"].map(unknown);
    failing(PATH, "attachments", json!([{}]), &members).await;
    failing(PATH, "version", json!("2.0"), &members).await;
    failing("/api/v1/message", "title", json!(""), &members).await;
    // Nor is a list with its members in their order.
    let list = json!(["1.0", "Backup", "It failed", [], "failure"]).to_string();
    let response = server.call("POST", PATH, &[json], list).await;
    assert_eq!(response.status, 400, "{response:?}");
}
