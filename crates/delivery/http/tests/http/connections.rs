//! What is no request at all: malformed, too large or too slow heads.

use std::time::Duration;

use posthorn_http::Shed;
use posthorn_testkit::eventually;

use crate::support::{Answer, Quotas, TestServer};

const SOON: Duration = Duration::from_secs(10);

/// Sends bytes on a new connection and reads the one answer before the close.
async fn answer_to(server: &TestServer, bytes: &str) -> Answer {
    let mut connection = server.connect().await;
    connection.send(bytes).await;
    let answer = connection.answer("").await;
    assert!(connection.closed().await.is_empty());
    answer
}

#[tokio::test]
async fn a_malformed_head_is_refused_as_a_problem() {
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
        let answer = answer_to(&server, head).await;
        answer.assert_problem(400, "validation-failed");
        check_headers(&answer);
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_as_a_problem() {
    let server = TestServer::start();
    let mut head = "GET / HTTP/1.1\r\nHost: a\r\n".to_owned();
    for n in 0..200 {
        head += &format!("X-{n}: 1\r\n");
    }
    let answer = answer_to(&server, &format!("{head}\r\n")).await;
    answer.assert_problem(431, "payload-too-large");
    check_headers(&answer);
}

#[tokio::test]
async fn a_head_that_does_not_come_in_time_is_given_up_as_a_problem() {
    let server = TestServer::with(|settings| {
        settings.header_timeout = Duration::from_millis(200);
        settings.is_production = true;
    });
    let answer = answer_to(&server, "GET / HTTP/1.1\r\nHo").await;
    answer.assert_problem(408, "request-timeout");
    check_headers(&answer);
    assert!(answer.header("strict-transport-security").is_some());
}

#[tokio::test]
async fn an_answer_before_a_malformed_head_is_whole() {
    let server = TestServer::start();
    let mut connection = server.connect().await;
    connection
        .send("GET /api/v1/ping HTTP/1.1\r\nHost: a\r\n\r\nHEAD /nowhere HTTP/1.1\r\nHost: a\r\n\r\nNOT HTTP\r\n\r\n")
        .await;
    assert_eq!(connection.answer("GET").await.json()["pong"], true);
    assert_eq!(connection.answer("HEAD").await.status, 404);
    let answer = connection.answer("").await;
    answer.assert_problem(400, "validation-failed");
    assert!(connection.closed().await.is_empty());
}

#[tokio::test]
async fn what_is_no_request_is_counted_all_the_same() {
    let server = TestServer::start();
    answer_to(&server, "NOT HTTP\r\n\r\n").await;
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
    let last = connection.answer("").await;
    last.assert_problem(408, "request-timeout");
    assert!(connection.closed().await.is_empty());
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_cut_off_on_a_connection_of_any_age() {
    let server = TestServer::with(|settings| {
        settings.header_timeout = Duration::from_secs(1);
        settings.keep_alive = Duration::from_mins(1);
    });
    for requests_before in [0, 1, 3] {
        let mut connection = server.connect().await;
        for _ in 0..requests_before {
            connection.request("GET", "/api/v1/ping", &[], b"").await;
            assert_eq!(connection.answer("GET").await.status, 200);
        }
        connection.send("GET /api/v1/ping HTTP/1.1\r\nX: ").await;
        let answer = connection.drip(b'x').await;
        answer.assert_problem(408, "request-timeout");
        assert!(connection.closed().await.is_empty());
    }
    assert_eq!(server.recorder.shed(), [Shed::HeaderTimeout; 3]);
}

#[tokio::test]
async fn half_a_head_right_behind_a_request_does_not_hold_the_connection() {
    let server = TestServer::with(|settings| {
        settings.header_timeout = Duration::from_millis(200);
        // Half a head has the time of a head, not that between requests.
        settings.keep_alive = Duration::from_mins(10);
    });
    let mut connection = server.connect().await;
    connection
        .send("GET /api/v1/ping HTTP/1.1\r\nHost: a\r\n\r\nGET /api/v1/ping HTTP/1.1\r\nX: ")
        .await;
    assert_eq!(connection.answer("GET").await.status, 200);
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
        assert_eq!(connection.answer("POST").await.status, 201);
    }
}

#[tokio::test]
async fn a_body_that_comes_byte_by_byte_is_cut_off() {
    let server = TestServer::with(|settings| settings.request_timeout = Duration::from_millis(300));
    let mut connection = server.connect().await;
    let head = "POST /api/v1/message HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
        Content-Length: 5000\r\n\r\n";
    connection.send(head).await;
    let answer = connection.drip(b' ').await;
    answer.assert_problem(408, "request-timeout");
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
    let server = TestServer::with(|settings| settings.keep_alive = Duration::from_millis(200));
    let mut connection = server.connect().await;
    for _ in 0..2 {
        connection.request("GET", "/api/v1/ping", &[], b"").await;
        assert_eq!(connection.answer("GET").await.status, 200);
    }
    assert!(connection.closed().await.is_empty());
}

#[tokio::test]
async fn a_client_may_close_its_sending_half_and_still_gets_its_answer() {
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
    assert_eq!(connection.answer("POST").await.status, 201);
    assert!(connection.closed().await.is_empty());
}

#[tokio::test]
async fn a_body_that_never_comes_holds_no_connection_once_it_is_answered() {
    let server = TestServer::with(|settings| {
        // The library's own clock for the first head ticks each half a second.
        settings.header_timeout = Duration::from_secs(1);
        settings.request_timeout = Duration::from_millis(300);
    });
    let chunked = "Host: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut answered = Vec::new();
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
        let answer = connection.answer(method).await;
        assert_eq!(answer.status, status, "{line} {answer:?}");
        answered.push((line, connection));
    }
    for (line, mut connection) in answered {
        assert!(connection.closed().await.is_empty(), "{line}");
    }
    eventually(SOON, async || server.recorder.connections() == 0).await;
}

#[tokio::test]
async fn http_1_0_is_answered_and_closed() {
    let server = TestServer::start();
    let mut connection = server.connect().await;
    connection.send("GET /api/v1/ping HTTP/1.0\r\n\r\n").await;
    assert_eq!(connection.answer("GET").await.json()["pong"], true);
    assert!(connection.closed().await.is_empty());
}

#[tokio::test]
async fn a_body_with_broken_framing_gets_one_answer_and_the_close() {
    let server = TestServer::start();
    let post = "POST /api/v1/message HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n\r\n";
    for rest in ["ZZ\r\n", "1\r\n{\r\nZZ\r\n", "2\r\n{}ZZ"] {
        let answer = answer_to(&server, &format!("{post}{chunked}{rest}")).await;
        answer.assert_problem(400, "malformed-json");
        assert_eq!(answer.header("connection"), Some("close"));
    }
    // Who does not look at the body has answered by then.
    let get = "GET /api/v1/ping HTTP/1.1\r\nHost: a\r\n";
    let answer = answer_to(&server, &format!("{get}{chunked}ZZ\r\n")).await;
    assert_eq!(answer.status, 200);
    // A head after it has an answer of its own.
    let whole = format!("{post}{chunked}0\r\n\r\nNOT HTTP\r\n\r\n");
    let mut connection = server.connect().await;
    connection.send(whole).await;
    connection
        .answer("POST")
        .await
        .assert_problem(400, "malformed-json");
    connection
        .answer("")
        .await
        .assert_problem(400, "validation-failed");
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
            let answer = answer_to(&server, &posts(offer, framed)).await;
            assert_eq!(answer.status, 201, "{offer}");
            assert_eq!(answer.header("connection"), Some("close"), "{offer}");
        }
        let get = format!("GET /api/v1/ping HTTP/1.1\r\nHost: a\r\n{offer}\r\n");
        let answer = answer_to(&server, &get).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("connection"), Some("close"), "{offer}");
        let empty = posts(offer, "\r\n");
        let answer = answer_to(&server, &empty).await;
        answer.assert_problem(400, "malformed-json");
    }
    // What follows is neither a part of the body nor a request.
    let with_more = format!("{with_length}GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = answer_to(&server, &posts("Upgrade: websocket\r\n", &with_more)).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("connection"), Some("close"));
}

#[track_caller]
fn check_headers(answer: &Answer) {
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
        assert_eq!(answer.header(name), Some(value), "{answer:?}");
    }
    assert_eq!(answer.header("x-request-id").unwrap().len(), 36);
    assert!(answer.header("date").is_some());
}
