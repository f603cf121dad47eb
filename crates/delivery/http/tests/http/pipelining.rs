//! Requests that arrive before the response to the one ahead of them.

use std::time::Duration;

use posthorn_testkit::eventually;

use crate::support::{Behaviour, Response, TestServer};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn pipelined_requests_get_their_responses_in_order() {
    let server = TestServer::start();
    let mut connection = server.connect().await;
    let mut requests = String::new();
    for n in 0..50 {
        requests += &format!("GET /nowhere/{n} HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    connection.send(requests).await;
    for n in 0..50 {
        let problem = connection
            .response("GET")
            .await
            .assert_problem(404, "not-found");
        assert_eq!(problem["instance"], format!("/nowhere/{n}"));
    }
}

#[tokio::test]
async fn requests_pipelined_behind_a_slow_one_get_their_responses_in_order() {
    let server = TestServer::start();
    server.store_behaves(Behaviour::Hang);
    let mut connection = server.connect().await;
    let mut requests = "GET /api/v1/topics HTTP/1.1\r\nHost: a\r\n\r\n".to_owned();
    for n in 0..2000 {
        requests += &format!("GET /nowhere/{n} HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    connection.send(requests).await;
    eventually(SOON, async || server.store_operations() == 1).await;
    server.store_behaves(Behaviour::PassOn);
    assert_eq!(connection.response("GET").await.status, 200);
    for n in 0..2000 {
        let problem = connection.response("GET").await.json();
        assert_eq!(problem["instance"], format!("/nowhere/{n}"));
    }
}

/// Sends `requests` at once to a slow store, and returns the responses to their `methods`.
async fn responses_of_a_late_store(requests: &[&str], apart: bool) -> Vec<Response> {
    let server = TestServer::start();
    server.store_behaves(Behaviour::Hang);
    let mut connection = server.connect().await;
    if apart {
        for request in requests {
            connection.send(request).await;
            tokio::task::yield_now().await;
        }
    } else {
        connection.send(requests.concat()).await;
    }
    eventually(SOON, async || server.store_operations() == 1).await;
    server.store_behaves(Behaviour::PassOn);
    let mut responses = Vec::new();
    for request in requests {
        let method = request.split(' ').next().unwrap();
        responses.push(connection.response(method).await);
    }
    responses
}

#[tokio::test]
async fn a_response_is_framed_for_its_own_request() {
    let body = r#"{"message": "a"}"#;
    let post = |more: &str| {
        format!(
            "POST /api/v1/topics/a/messages HTTP/1.1\r\nHost: a\r\n{more}Content-Type: \
            application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let chunked = format!(
        "POST /api/v1/topics/a/messages HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
        Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    let plain = post("");
    let last = post("Connection: close\r\n");
    let get = "GET /api/v1/topics/a/messages HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = "HEAD /api/v1/topics/a/messages HTTP/1.1\r\nHost: a\r\n\r\n";
    let old = "GET /api/v1/topics/a/messages HTTP/1.0\r\nHost: a\r\n\r\n";
    for (requests, statuses) in [
        (vec![plain.as_str(), head], vec![201, 200]),
        (
            vec![&chunked, head, &chunked, get],
            vec![201, 200, 201, 200],
        ),
        (vec![head, &plain, get], vec![200, 201, 200]),
        (vec![get, head, get], vec![200, 200, 200]),
        (vec![&plain, &plain, &last], vec![201, 201, 201]),
        (vec![&plain, old], vec![201, 200]),
    ] {
        for apart in [false, true] {
            let responses = responses_of_a_late_store(&requests, apart).await;
            let found: Vec<_> = responses.iter().map(|response| response.status).collect();
            assert_eq!(found, statuses, "{requests:?}");
            let closes: Vec<_> = responses
                .iter()
                .map(|response| response.header("connection") == Some("close"))
                .collect();
            let (ends, goes_on) = closes.split_last().unwrap();
            assert!(!goes_on.contains(&true), "{requests:?}");
            assert_eq!(
                *ends,
                requests.last() == Some(&last.as_str()),
                "{requests:?}"
            );
            for (request, response) in requests.iter().zip(&responses) {
                assert_eq!(response.text().is_empty(), request.starts_with("HEAD"));
            }
        }
    }
}

#[tokio::test]
async fn a_client_that_ends_behind_a_slow_request_gets_all_its_responses() {
    let server = TestServer::start();
    server.store_behaves(Behaviour::Hang);
    let mut connection = server.connect().await;
    let get = "GET /api/v1/topics HTTP/1.1\r\nHost: a\r\n\r\n";
    connection.send(get.repeat(3)).await;
    connection.finish_sending().await;
    eventually(SOON, async || server.store_operations() == 1).await;
    server.store_behaves(Behaviour::PassOn);
    for _ in 0..3 {
        assert_eq!(connection.response("GET").await.status, 200);
    }
    assert!(connection.closed().await.is_empty());
}
