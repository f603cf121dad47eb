//! The pages and the documentation.

use crate::support::TestServer;

#[tokio::test]
async fn the_page_shows_service_information_and_lists_the_endpoints() {
    let server = TestServer::start();
    let response = server.get("/").await;
    let text = response.text();
    assert_eq!(
        response.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    for part in [
        "posthorn",
        "1.2.3",
        "testing",
        "pod-7",
        "2026-11-23T00:00:00.000Z",
        "/api/v1/message",
        "/api/v1/topics",
        "/api/v1/info",
        "/api/v1/ping",
        "/api/v1/health",
        "/metrics",
        "/docs/",
        "lang=\"ru\"",
    ] {
        assert!(text.contains(part), "{part}");
    }
    assert_eq!(text.matches("<script").count(), 1, "{text}");
    assert!(text.contains("<script type=\"module\" src=\"/assets/page.js\"></script>"));
    assert!(
        !text.contains("style=") && !text.contains("<style"),
        "{text}"
    );
    let english = server
        .call("GET", "/", &[("Accept-Language", "en")], "")
        .await;
    assert!(english.text().contains("lang=\"en\""));
}

#[tokio::test]
async fn every_link_of_the_page_leads_somewhere() {
    let server = TestServer::start();
    let page = server.get("/").await;
    let links: Vec<_> = page.text().split("href=\"").skip(1).collect();
    assert!(links.len() > 5);
    for link in links {
        let path = link.split('"').next().unwrap();
        if path.starts_with("data:") {
            continue;
        }
        // Browsers do not send the fragment.
        let path = path.replace("#main", "/");
        let path = path.as_str();
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn the_documentation_works_without_inline_scripts_or_foreign_files() {
    let server = TestServer::start();
    let index = server.get("/docs/").await;
    assert_eq!(index.status, 200);
    let text = index.text();
    for script in text.split("<script").skip(1) {
        let (tag, content) = script.split_once('>').unwrap();
        assert!(tag.contains("src="), "{tag}");
        assert!(content.trim_start().starts_with("</script>"), "{content}");
    }
    for attribute in ["src=\"", "href=\""] {
        for part in text.split(attribute).skip(1) {
            let file = part.split('"').next().unwrap();
            assert!(!file.contains("//"), "{file}");
            let file = file.trim_start_matches("./");
            let response = server.get(&format!("/docs/{file}")).await;
            assert_eq!(response.status, 200, "{file}");
            assert!(response.header("content-security-policy").is_some());
        }
    }
    let script = server.get("/docs/swagger-initializer.js").await;
    assert!(script.text().contains("/api-docs/openapi.json"));
    server
        .get("/docs/nothing.js")
        .await
        .assert_problem(404, "not-found");
    server.get("/docs").await.assert_problem(404, "not-found");
}

#[tokio::test]
async fn the_document_is_the_one_that_the_crate_exports() {
    let server = TestServer::start();
    let response = server.get("/api-docs/openapi.json").await;
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.text(), posthorn_http::openapi_json());
}

#[tokio::test]
async fn the_document_describes_headers_and_limits() {
    let document: serde_json::Value = serde_json::from_str(&posthorn_http::openapi_json()).unwrap();
    let post = &document["paths"]["/api/v1/message"]["post"];
    let headers = |status: &str| &post["responses"][status]["headers"];
    assert!(headers("201")["Location"].is_object());
    assert!(headers("201")["X-Request-ID"].is_object());
    assert!(headers("503")["Retry-After"].is_object());
    assert_eq!(post["parameters"][0]["name"], "Idempotency-Key");
    let body = &document["components"]["schemas"]["MessageBody"];
    assert_eq!(body["additionalProperties"], false);
    assert_eq!(body["required"], serde_json::json!(["message"]));
    let attributes = &body["properties"]["attributes"];
    assert_eq!(attributes["maxProperties"], 16);
    assert_eq!(attributes["additionalProperties"]["maxLength"], 256);
    assert_eq!(
        attributes["propertyNames"]["pattern"],
        "^[a-z0-9._-]{1,64}$"
    );
}

#[tokio::test]
async fn the_page_speaks_the_language_that_is_asked_for() {
    let server = TestServer::start();
    for (path, accepted, language) in [
        ("/?lang=en", "ru", "en"),
        ("/?lang=ru", "en", "ru"),
        ("/?lang=fr", "en", "en"),
        ("/?x=1&lang=en", "ru", "en"),
    ] {
        let headers = [("Accept-Language", accepted)];
        let page = server.call("GET", path, &headers, "").await;
        let tag = format!("<html lang=\"{language}\">");
        assert!(page.text().contains(&tag), "{path}");
    }
}

#[tokio::test]
async fn an_asset_is_sent_again_only_when_it_changed() {
    let server = TestServer::start();
    for (path, content_type) in [
        ("/assets/page.css", "text/css; charset=utf-8"),
        ("/assets/page.js", "text/javascript; charset=utf-8"),
        ("/assets/session.js", "text/javascript; charset=utf-8"),
        ("/assets/consumers.js", "text/javascript; charset=utf-8"),
        ("/assets/webhooks.js", "text/javascript; charset=utf-8"),
    ] {
        let first = server.get(path).await;
        assert_eq!(first.status, 200);
        assert_eq!(first.header("content-type"), Some(content_type));
        assert_eq!(first.header("cache-control"), Some("no-cache"));
        let tag = first.header("etag").unwrap().to_owned();
        for known in [tag.as_str(), "*", &format!("\"x\", {tag}")] {
            let again = server
                .call("GET", path, &[("If-None-Match", known)], "")
                .await;
            assert_eq!((again.status, again.text().len()), (304, 0), "{known}");
        }
        let other = [("If-None-Match", "\"x\"")];
        assert_eq!(server.call("GET", path, &other, "").await.status, 200);
    }
    assert_eq!(server.get("/assets/other.js").await.status, 404);
}
