//! Reading messages: topics, pages, one message, and its deletion.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Response, TestServer};

const MISSING: &str = "00000000000000000000000001";

/// The texts of a page, in its order.
fn texts(page: &Value) -> Vec<&str> {
    let messages = page["messages"].as_array().unwrap().iter();
    messages
        .map(|message| message["message"].as_str().unwrap())
        .collect()
}

async fn server_with(texts: &[&str]) -> (TestServer, Vec<String>) {
    let server = TestServer::start();
    let mut ids = Vec::new();
    for text in texts {
        server.clock.advance(Duration::from_millis(1));
        ids.push(server.accept("t", text).await);
    }
    (server, ids)
}

/// Follows the `next` links from `path` to the end; the texts of each page.
async fn walk(server: &TestServer, path: &str, link: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut path = Some(path.to_owned());
    while let Some(here) = path {
        let response = server.get(&here).await;
        assert_eq!(response.status, 200, "{here}");
        let page = response.json();
        pages.push(texts(&page).into_iter().map(str::to_owned).collect());
        path = page[link].as_str().map(str::to_owned);
        check_link_header(&response, &page);
        assert!(pages.len() < 20, "the links go in a circle");
    }
    pages
}

/// The `Link` header has the links of the body.
#[track_caller]
fn check_link_header(response: &Response, page: &Value) {
    let links: Vec<_> = ["next", "prev"]
        .iter()
        .filter_map(|name| Some(format!("<{}>; rel=\"{name}\"", page.get(*name)?.as_str()?)))
        .collect();
    let links = links.join(", ");
    assert_eq!(response.header("link").unwrap_or_default(), links);
}

#[tokio::test]
async fn pages_are_walked_in_either_order_and_back() {
    let (server, _) = server_with(&["a", "b", "c", "d", "e"]).await;
    let base = "/api/v1/topics/t/messages";
    assert_eq!(
        walk(&server, &format!("{base}?limit=2"), "next").await,
        [vec!["a", "b"], vec!["c", "d"], vec!["e"]]
    );
    assert_eq!(
        walk(&server, &format!("{base}?limit=2&order=desc"), "next").await,
        [vec!["e", "d"], vec!["c", "b"], vec!["a"]]
    );
    let first = server.get(&format!("{base}?limit=2")).await.json();
    let second = server.get(first["next"].as_str().unwrap()).await.json();
    let third = server.get(second["next"].as_str().unwrap()).await.json();
    assert_eq!(third["next"], Value::Null);
    assert_eq!(first["prev"], Value::Null);
    let back = third["prev"].as_str().unwrap();
    assert_eq!(walk(&server, back, "prev").await, [["c", "d"], ["a", "b"]]);
}

#[tokio::test]
async fn after_and_before_are_exclusive_bounds() {
    let (server, ids) = server_with(&["a", "b", "c", "d"]).await;
    let page = async |query: String| {
        let path = format!("/api/v1/topics/t/messages?{query}");
        let page = server.get(&path).await.json();
        let found: Vec<_> = texts(&page).into_iter().map(str::to_owned).collect();
        found
    };
    assert_eq!(page(format!("after={}", ids[1])).await, ["c", "d"]);
    assert_eq!(page(format!("before={}", ids[2])).await, ["a", "b"]);
    assert_eq!(page(format!("after={}&limit=1", ids[0])).await, ["b"]);
    assert_eq!(page(format!("before={}&limit=1", ids[2])).await, ["b"]);
    let newest_first = format!("after={}&order=desc", ids[1]);
    assert_eq!(page(newest_first).await, ["d", "c"]);
    assert_eq!(page(format!("after={}", ids[3])).await, [""; 0]);
}

#[tokio::test]
async fn an_empty_page_at_the_end_links_back_to_the_last_message() {
    let (server, ids) = server_with(&["a", "b"]).await;
    let base = "/api/v1/topics/t/messages";
    let page = server.get(&format!("{base}?after={}", ids[1])).await.json();
    assert_eq!(page["messages"], json!([]));
    assert_eq!(page["next"], Value::Null);
    let back = server.get(page["prev"].as_str().unwrap()).await.json();
    assert_eq!(texts(&back), ["a", "b"]);
    let page = server
        .get(&format!("{base}?before={}", ids[0]))
        .await
        .json();
    assert_eq!(page["prev"], Value::Null);
    let on = server.get(page["next"].as_str().unwrap()).await.json();
    assert_eq!(texts(&on), ["a", "b"]);
}

#[tokio::test]
async fn a_page_shows_that_retention_removed_messages_before_it() {
    let (server, ids) = server_with(&["a", "b", "c"]).await;
    let path = format!("/api/v1/topics/t/messages?after={}", ids[0]);
    assert_eq!(server.get(&path).await.json()["truncated"], false);
    server.prune_to(1).await;
    let page = server.get(&path).await.json();
    assert_eq!(
        (texts(&page), &page["truncated"]),
        (vec!["c"], &json!(true))
    );
    let page = server.get("/api/v1/topics/t/messages").await.json();
    assert_eq!(page["truncated"], false);
}

#[tokio::test]
async fn a_topic_without_messages_has_an_empty_page() {
    let server = TestServer::start();
    let response = server.get("/api/v1/topics/t/messages").await;
    assert_eq!(
        response.json(),
        json!({"messages": [], "next": null, "prev": null, "truncated": false})
    );
}

#[tokio::test]
async fn topics_are_listed_with_their_bounds() {
    let server = TestServer::start();
    assert_eq!(
        server.get("/api/v1/topics").await.json(),
        json!({"topics": [], "next": null})
    );
    let first = server.accept("b", "1").await;
    let last = server.accept("b", "2").await;
    let other = server.accept("a", "3").await;
    let b = json!({"topic": "b", "count": 2, "first_id": first, "last_id": last});
    let a = json!({"topic": "a", "count": 1, "first_id": other, "last_id": other});
    let page = server.get("/api/v1/topics").await.json();
    assert_eq!(page, json!({"topics": [a, b], "next": null}));
    let page = server.get("/api/v1/topics?limit=1").await;
    check_link_header(&page, &page.json());
    let page = page.json();
    assert_eq!(page["topics"], json!([a]));
    let page = server.get(page["next"].as_str().unwrap()).await.json();
    assert_eq!(page, json!({"topics": [b], "next": null}));
}

#[tokio::test]
async fn parameters_that_break_a_rule_are_all_named() {
    let server = TestServer::start();
    let id = MISSING;
    for (path, fields) in [
        ("/api/v1/topics?limit=0", &["limit"][..]),
        (
            "/api/v1/topics?after=No&limit=x&page=1",
            &["page", "after", "limit"],
        ),
        ("/api/v1/topics/t/messages?limit=201", &["limit"]),
        ("/api/v1/topics/t/messages?order=up&x", &["x", "order"]),
        ("/api/v1/topics/t/messages?after=", &["after"]),
        ("/api/v1/topics/t/messages?limit=1&limit=1", &["limit"]),
        (
            &format!("/api/v1/topics/t/messages?after={id}&before={id}"),
            &["after"],
        ),
        ("/api/v1/topics/t/stream?after=x", &["after"]),
        ("/api/v1/topics/t/stream?_=1&after=x", &["after"]),
    ] {
        let problem = server
            .get(path)
            .await
            .assert_problem(400, "validation-failed");
        let errors = problem["errors"].as_array().unwrap().iter();
        let found: Vec<_> = errors
            .map(|error| error["field"].as_str().unwrap())
            .collect();
        assert_eq!(found, fields, "{path}");
    }
}

#[tokio::test]
async fn names_that_nothing_can_have_are_not_found() {
    let server = TestServer::start();
    for path in [
        "/api/v1/topics/No/messages",
        "/api/v1/topics/%FF/messages",
        "/api/v1/topics/a%2Fb/messages",
        "/api/v1/topics/No/stream",
        &format!("/api/v1/topics/No/messages/{MISSING}"),
        "/api/v1/topics/t/messages/x",
        &format!("/api/v1/topics/t/messages/{MISSING}"),
        &format!("/api/v1/topics/t/messages/{}", "Z".repeat(26)),
    ] {
        server.get(path).await.assert_problem(404, "not-found");
    }
    for path in ["x", MISSING] {
        let path = format!("/api/v1/topics/t/messages/{path}");
        let response = server.call("DELETE", &path, &[], "").await;
        response.assert_problem(404, "not-found");
    }
}

#[tokio::test]
async fn a_message_is_complete_and_immutable() {
    let server = TestServer::start();
    let body = r#"{"message": "привет", "attributes": {"b": "2", "a": "1"}}"#;
    let receipt = server.post("/api/v1/message", body).await;
    let path = receipt.header("location").unwrap();
    let response = server.get(path).await;
    let id = receipt.json()["id"].clone();
    assert_eq!(
        response.json(),
        json!({"id": id, "topic": "inbox", "message": "привет",
            "attributes": {"a": "1", "b": "2"}, "processed_at": "2026-11-23T00:00:00.000Z"})
    );
    let tag = format!("\"{}\"", id.as_str().unwrap());
    assert_eq!(response.header("etag"), Some(tag.as_str()));
    let cache = response.header("cache-control");
    assert_eq!(cache, Some("private, max-age=31536000, immutable"));
    for (given, status) in [
        (tag.as_str(), 304),
        (&format!("\"x\", W/{tag}"), 304),
        ("*", 304),
        ("\"x\"", 200),
    ] {
        let response = server
            .call("GET", path, &[("If-None-Match", given)], "")
            .await;
        assert_eq!(response.status, status, "{given}");
        assert_eq!(response.header("etag"), Some(tag.as_str()), "{given}");
        assert!(
            response
                .header("cache-control")
                .unwrap()
                .contains("immutable")
        );
    }
}

#[tokio::test]
async fn a_deleted_message_is_not_found() {
    let (server, ids) = server_with(&["a", "b"]).await;
    let path = format!("/api/v1/topics/t/messages/{}", ids[0]);
    let response = server.call("DELETE", &path, &[], "").await;
    assert_eq!(response.status, 204);
    assert_eq!(response.header("content-length"), None);
    server.get(&path).await.assert_problem(404, "not-found");
    let response = server.call("DELETE", &path, &[], "").await;
    response.assert_problem(404, "not-found");
    let page = server.get("/api/v1/topics/t/messages").await.json();
    assert_eq!(texts(&page), ["b"]);
}

#[tokio::test]
async fn a_page_after_an_id_that_the_store_never_gave_is_truncated() {
    let (server, _) = server_with(&["a"]).await;
    for (query, truncated) in [
        ("after=7ZZZZZZZZZZZZZZZZZZZZZZZZZ", true),
        ("after=00000000000000000000000000", false),
        ("since=2100-01-01T00:00:00Z", false),
    ] {
        let path = format!("/api/v1/topics/t/messages?{query}");
        assert_eq!(
            server.get(&path).await.json()["truncated"],
            truncated,
            "{query}"
        );
    }
}

#[tokio::test]
async fn the_oldest_messages_are_deleted_a_thousand_at_a_time() {
    let server = TestServer::start();
    let mut ids = Vec::new();
    for number in 0..1_003 {
        ids.push(server.store_directly("t", &number.to_string()).await);
    }
    // Cached, as reading one caches it.
    let first = format!("/api/v1/topics/t/messages/{}", ids[0]);
    assert_eq!(server.get(&first).await.status, 200);
    let path = format!("/api/v1/topics/t/messages?before={}", ids[1_002]);
    for (deleted, more) in [(1_000, true), (2, false), (0, false)] {
        let response = server.call("DELETE", &path, &[], "").await;
        assert_eq!(response.status, 200);
        assert_eq!(response.json(), json!({"deleted": deleted, "more": more}));
        server.get(&first).await.assert_problem(404, "not-found");
    }
    let page = server.get("/api/v1/topics/t/messages").await.json();
    assert_eq!(page["messages"].as_array().unwrap().len(), 1);
    assert_eq!(page["truncated"], false);
    let after = format!("/api/v1/topics/t/messages?after={}", ids[5]);
    assert_eq!(server.get(&after).await.json()["truncated"], false);
}

#[tokio::test]
async fn a_bulk_deletion_needs_the_id_before_which_it_deletes() {
    let server = TestServer::start();
    let id = server.accept("t", "m").await;
    for (query, field, code) in [
        ("", "before", "required"),
        ("?before=", "before", "message-id"),
        ("?before=now", "before", "message-id"),
        (
            "?after=000000000000000000000000G1",
            "after",
            "unknown-field",
        ),
    ] {
        let path = format!("/api/v1/topics/t/messages{query}");
        let response = server.call("DELETE", &path, &[], "").await;
        let problem = response.assert_problem(400, "validation-failed");
        let error = &problem["errors"][0];
        assert_eq!(
            (&error["field"], &error["code"]),
            (&json!(field), &json!(code))
        );
    }
    let invalid = "/api/v1/topics/T/messages?before=000000000000000000000000G1";
    let response = server.call("DELETE", invalid, &[], "").await;
    response.assert_problem(404, "not-found");
    let message = format!("/api/v1/topics/t/messages/{id}");
    assert_eq!(server.get(&message).await.status, 200);
}
