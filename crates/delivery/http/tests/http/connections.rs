//! Invalid requests: malformed, too large or too slow heads.

use std::time::Duration;

use posthorn_http::Shed;
use posthorn_testkit::eventually;

use crate::support::{Quotas, Response, TestServer};

const SOON: Duration = Duration::from_secs(10);

/// Sends bytes on a new connection and reads the response before the close.
async fn response_to(server: &TestServer, bytes: &str) -> Response {
    let mut connection = server.connect().await;
    connection.send(bytes).await;
    let response = connection.response("").await;
    assert!(connection.closed().await.is_empty());
    response
}

#[tokio::test]
async fn a_malformed_head_is_rejected_with_a_problem() {
    let server = TestServer::start();
    for head in [
        "NOT HTTP\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        let response = response_to(&server, head).await;
        response.assert_problem(400, "malformed-request");
        check_headers(&response);
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_rejected_with_a_problem() {
    let server = TestServer::start();
    let mut head = "GET / HTTP/1.1\r\nHost: a\r\n".to_owned();
    for n in 0..200 {
        head += &format!("X-{n}: 1\r\n");
    }
    let response = response_to(&server, &format!("{head}\r\n")).await;
    response.assert_problem(431, "payload-too-large");
    check_headers(&response);
}

#[tokio::test]
async fn a_head_that_does_not_come_in_time_is_given_up_as_a_problem() {
    let server = TestServer::with(|settings| {
        settings.header_timeout = Duration::from_millis(200);
    });
    let response = response_to(&server, "GET / HTTP/1.1\r\nHo").await;
    response.assert_problem(408, "request-timeout");
    check_headers(&response);
}

#[tokio::test]
async fn a_response_before_a_malformed_head_is_complete() {
    let server = TestServer::start();
    let mut connection = server.connect().await;
    connection
        .send("GET /api/v1/ping HTTP/1.1\r\nHost: a\r\n\r\nHEAD /nowhere HTTP/1.1\r\nHost: a\r\n\r\nNOT HTTP\r\n\r\n")
        .await;
    assert_eq!(connection.response("GET").await.json()["pong"], true);
    assert_eq!(connection.response("HEAD").await.status, 404);
    let response = connection.response("").await;
    response.assert_problem(400, "malformed-request");
    assert!(connection.closed().await.is_empty());
}

#[tokio::test]
async fn an_invalid_request_is_counted() {
    let server = TestServer::start();
    response_to(&server, "NOT HTTP\r\n\r\n").await;
    assert_eq!(
        server.recorder.finished(),
        [Some(("OTHER", "unmatched", 400))]
    );
    assert_eq!(server.recorder.in_flight(), 0);
}

#[tokio::test]
async fn a_client_that_sends_nothing_is_closed_in_time() {
    let server = TestServer::with(|settings| settings.header_timeout = Duration::from_millis(200));
    let mut connection = server.connect().await;
    let last = connection.response("").await;
    last.assert_problem(408, "request-timeout");
    assert!(connection.closed().await.is_empty());
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_cut_off_on_a_connection_of_any_age() {
    let server = TestServer::with(|settings| {
        settings.header_timeout = Duration::from_secs(3);
        settings.keep_alive = Duration::from_mins(1);
    });
    for requests_before in [0, 1, 3] {
        let mut connection = server.connect().await;
        for _ in 0..requests_before {
            connection.request("GET", "/api/v1/ping", &[], b"").await;
            assert_eq!(connection.response("GET").await.status, 200);
        }
        connection.send("GET /api/v1/ping HTTP/1.1\r\nX: ").await;
        let response = connection.drip(b'x').await;
        response.assert_problem(408, "request-timeout");
        assert!(connection.closed().await.is_empty());
    }
    assert_eq!(server.recorder.shed(), [Shed::HeaderTimeout; 3]);
}

#[tokio::test]
async fn half_a_head_right_behind_a_request_does_not_hold_the_connection() {
    let server = TestServer::with(|settings| {
        settings.header_timeout = Duration::from_secs(3);
        // An incomplete head has the time limit of a head, not that of an idle connection.
        settings.keep_alive = Duration::from_mins(10);
    });
    let mut connection = server.connect().await;
    connection
        .send("GET /api/v1/ping HTTP/1.1\r\nHost: a\r\n\r\nGET /api/v1/ping HTTP/1.1\r\nX: ")
        .await;
    assert_eq!(connection.response("GET").await.status, 200);
    connection.closed().await;
    eventually(SOON, async || server.recorder.connections() == 0).await;
}

#[tokio::test]
async fn a_body_behind_a_slow_check_is_read_once_it_is_wanted() {
    let server = TestServer::with_quotas(Quotas::default(), |settings| {
        settings.max_body_bytes = 1_000_000;
    });
    let body = format!(r#"{{"message": "a"{}}}"#, " ".repeat(900_000));
    let json = [("Content-Type", "application/json")];
    let mut connection = server.connect().await;
    for _ in 0..3 {
        connection
            .request("POST", "/api/v1/message", &json, body.as_bytes())
            .await;
        assert_eq!(connection.response("POST").await.status, 201);
    }
}

#[tokio::test]
async fn a_body_that_comes_byte_by_byte_is_cut_off() {
    let server = TestServer::with(|settings| settings.request_timeout = Duration::from_millis(300));
    let mut connection = server.connect().await;
    let head = "POST /api/v1/message HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
        Content-Length: 5000\r\n\r\n";
    connection.send(head).await;
    let response = connection.drip(b' ').await;
    response.assert_problem(408, "request-timeout");
    assert_eq!(server.recorder.shed(), [Shed::RequestTimeout]);
    assert_eq!(server.recorder.rejected(), ["request-timeout"]);
    eventually(SOON, async || server.recorder.connections() == 0).await;
}

#[tokio::test]
async fn connections_are_counted_while_they_are_open() {
    let server = TestServer::start();
    let connections = (server.connect().await, server.connect().await);
    eventually(SOON, async || server.recorder.connections() == 2).await;
    drop(connections);
    eventually(SOON, async || server.recorder.connections() == 0).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_the_keep_alive_time() {
    let server = TestServer::with(|settings| settings.keep_alive = Duration::from_secs(3));
    let mut connection = server.connect().await;
    for _ in 0..2 {
        connection.request("GET", "/api/v1/ping", &[], b"").await;
        assert_eq!(connection.response("GET").await.status, 200);
    }
    assert!(connection.closed().await.is_empty());
}

#[tokio::test]
async fn a_client_may_close_its_sending_half_and_still_gets_its_response() {
    let server = TestServer::start();
    let mut connection = server.connect().await;
    connection
        .request(
            "POST",
            "/api/v1/message",
            &[("Content-Type", "application/json")],
            br#"{"message": "a"}"#,
        )
        .await;
    connection.finish_sending().await;
    assert_eq!(connection.response("POST").await.status, 201);
    assert!(connection.closed().await.is_empty());
}

#[tokio::test]
async fn a_body_that_never_arrives_holds_no_connection_after_the_response() {
    let server = TestServer::with(|settings| {
        // actix-http checks the time of the first head every half second.
        settings.header_timeout = Duration::from_secs(3);
        settings.request_timeout = Duration::from_secs(3);
    });
    let chunked = "Host: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut with_response = Vec::new();
    for (line, begun, status) in [
        ("GET /api/v1/ping", "", 200),
        ("HEAD /api/v1/ping", "", 200),
        ("GET /health/live", "5\r\nab", 200),
        ("POST /nowhere", "", 404),
        ("DELETE /api/v1/message", "1\r\n", 405),
        ("OPTIONS /api/v1/message", "", 204),
        ("POST /api/v1/message", "", 408),
        ("POST /api/v1/message", "5\r\nab", 408),
    ] {
        let mut connection = server.connect().await;
        let request = format!("{line} HTTP/1.1\r\n{chunked}{begun}");
        connection.send(request).await;
        let method = line.split(' ').next().unwrap();
        let response = connection.response(method).await;
        assert_eq!(response.status, status, "{line} {response:?}");
        with_response.push((line, connection));
    }
    for (line, mut connection) in with_response {
        assert!(connection.closed().await.is_empty(), "{line}");
    }
    eventually(SOON, async || server.recorder.connections() == 0).await;
}

#[tokio::test]
async fn an_http_1_0_request_gets_a_response_and_the_close() {
    let server = TestServer::start();
    let mut connection = server.connect().await;
    connection.send("GET /api/v1/ping HTTP/1.0\r\n\r\n").await;
    assert_eq!(connection.response("GET").await.json()["pong"], true);
    assert!(connection.closed().await.is_empty());
}

#[tokio::test]
async fn a_body_with_broken_framing_gets_one_response_and_the_close() {
    let server = TestServer::start();
    let post = "POST /api/v1/message HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n\r\n";
    for rest in ["ZZ\r\n", "1\r\n{\r\nZZ\r\n", "2\r\n{}ZZ"] {
        let response = response_to(&server, &format!("{post}{chunked}{rest}")).await;
        response.assert_problem(400, "malformed-json");
        assert_eq!(response.header("connection"), Some("close"));
    }
    // A handler that ignores the body has responded by then.
    let get = "GET /api/v1/ping HTTP/1.1\r\nHost: a\r\n";
    let response = response_to(&server, &format!("{get}{chunked}ZZ\r\n")).await;
    assert_eq!(response.status, 200);
    // A head after it gets its own response.
    let whole = format!("{post}{chunked}0\r\n\r\nNOT HTTP\r\n\r\n");
    let mut connection = server.connect().await;
    connection.send(whole).await;
    connection
        .response("POST")
        .await
        .assert_problem(400, "malformed-json");
    connection
        .response("")
        .await
        .assert_problem(400, "malformed-request");
    assert!(connection.closed().await.is_empty());
}

#[tokio::test]
async fn an_offer_of_another_protocol_changes_nothing_but_the_close() {
    let server = TestServer::start();
    let body = r#"{"message": "a"}"#;
    let length = body.len();
    let posts = |offer: &str, framed: &str| {
        format!(
            "POST /api/v1/message HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
            {offer}{framed}"
        )
    };
    let with_length = format!("Content-Length: {length}\r\n\r\n{body}");
    let in_chunks = format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n");
    for offer in [
        "Upgrade: websocket\r\nConnection: upgrade\r\n",
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n",
    ] {
        for framed in [&with_length, &in_chunks] {
            let response = response_to(&server, &posts(offer, framed)).await;
            assert_eq!(response.status, 201, "{offer}");
            assert_eq!(response.header("connection"), Some("close"), "{offer}");
        }
        let get = format!("GET /api/v1/ping HTTP/1.1\r\nHost: a\r\n{offer}\r\n");
        let response = response_to(&server, &get).await;
        assert_eq!(response.status, 200);
        assert_eq!(response.header("connection"), Some("close"), "{offer}");
        let empty = posts(offer, "\r\n");
        let response = response_to(&server, &empty).await;
        response.assert_problem(400, "malformed-json");
    }
    // The bytes that follow are neither part of the body nor a request.
    let with_more = format!("{with_length}GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let response = response_to(&server, &posts("Upgrade: websocket\r\n", &with_more)).await;
    assert_eq!(response.status, 201);
    assert_eq!(response.header("connection"), Some("close"));
}

#[track_caller]
fn check_headers(response: &Response) {
    for (name, value) in [
        ("connection", "close"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("x-xss-protection", "0"),
        (
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ] {
        assert_eq!(response.header(name), Some(value), "{response:?}");
    }
    assert_eq!(response.header("x-request-id").unwrap().len(), 36);
    assert!(response.header("date").is_some());
}
