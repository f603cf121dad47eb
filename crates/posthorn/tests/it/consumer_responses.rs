//! What the responses of consumers say of tags, bodies and leases.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::consumers::{CONSUMER, start};

#[tokio::test(flavor = "multi_thread")]
async fn the_tag_of_settings_is_none_of_the_counts() {
    let (_directory, server) = start("memory:").await;
    let created = server.call(Method::PUT, CONSUMER, json!({})).await;
    let tag = created.headers()["etag"].to_str().unwrap().to_owned();
    server.send(&["one"]).await;
    // The body has changed and the tag has not, so a cache must not keep the old body.
    let request = server.client.get(format!("{}{CONSUMER}", server.url));
    let read = request.header("If-None-Match", &tag).send().await.unwrap();
    assert_eq!(read.status(), StatusCode::OK);
    assert_eq!(read.headers()["etag"], tag.as_str());
    assert_eq!(read.json::<Value>().await.unwrap()["waiting"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_the_body_has_a_pointer_in_every_error() {
    let (_directory, server) = start("memory:").await;
    let check = async |method: Method, path: &str, body: Value, pointer: &str| {
        let refused = server.call(method, path, body).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
        let problem: Value = refused.json().await.unwrap();
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    };
    let ahead = "2999-01-01T00:00:00Z";
    check(Method::PUT, CONSUMER, json!({"start": ahead}), "/start").await;
    server.call(Method::PUT, CONSUMER, json!({})).await;
    let seek = format!("{CONSUMER}/seek");
    check(Method::POST, &seek, json!({"to": ahead}), "/to").await;
    let webhook = "/api/v1/topics/jobs/webhooks/hook";
    let body = json!({"url": "https://192.0.2.1/", "start": "newest"});
    check(Method::PUT, webhook, body, "/url").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_json_is_told_what_its_method_accepts() {
    let (_directory, server) = start("memory:").await;
    let pull = format!("{CONSUMER}/pull");
    for (method, path, header) in [
        (Method::PUT, CONSUMER, "accept"),
        (Method::POST, pull.as_str(), "accept-post"),
    ] {
        let request = server
            .client
            .request(method, format!("{}{path}", server.url));
        let request = request.header("Content-Type", "text/plain").body("x");
        let refused = request.send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert_eq!(refused.headers()[header], "application/json");
        let problem: Value = refused.json().await.unwrap();
        let detail = problem["detail"].as_str().unwrap().to_lowercase();
        assert!(detail.ends_with(&format!("{header}.")), "{detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extension_of_stale_leases_has_no_end() {
    let (_directory, server) = start("memory:").await;
    server.call(Method::PUT, CONSUMER, json!({})).await;
    let stale = server.consumer("extend", json!({"leases": ["x"]})).await;
    assert_eq!(stale, json!({"settled": 0, "stale": ["x"]}));
}
