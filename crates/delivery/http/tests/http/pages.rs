//! The pages and the documentation.

use std::net::SocketAddr;

use crate::support::{Quotas, TestServer};

#[tokio::test]
async fn the_page_names_no_metrics_where_another_listener_has_them() {
    let free_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = TestServer::with(|settings| settings.metrics_addresses = vec![free_port]);
    let page = server.get("/").await;
    assert!(page.text().contains("data-metrics=\"false\""));
    assert!(!page.text().contains("/metrics\""), "{}", page.text());
    server
        .get("/metrics")
        .await
        .assert_problem(404, "not-found");
}

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
    assert_eq!(text.matches("<script").count(), 2, "{text}");
    assert_eq!(text.matches("<script src=\"/assets/").count(), 1);
    assert!(text.contains("<script type=\"module\" src=\"/assets/"));
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
        // Browsers do not send a fragment.
        if path.starts_with("data:") || path.starts_with('#') {
            continue;
        }
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
        ("/assets/live.js", "text/javascript; charset=utf-8"),
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

#[tokio::test]
async fn an_asset_in_the_folder_of_its_version_is_kept_for_ever() {
    let server = TestServer::start();
    let page = server.get("/").await;
    let (_, rest) = page.text().split_once("/assets/").unwrap();
    let (version, _) = rest.split_once('/').unwrap();
    for (version, caching) in [
        (version, "public, max-age=31536000, immutable"),
        ("0123456789abcdef", "no-cache"),
    ] {
        let response = server.get(&format!("/assets/{version}/page.js")).await;
        assert_eq!(response.status, 200);
        assert_eq!(response.header("cache-control"), Some(caching));
    }
}

#[tokio::test]
async fn the_page_has_the_newest_messages_where_reading_needs_no_token() {
    let server = TestServer::start();
    for text in ["<b>older</b>", "newer\n text"] {
        let body = serde_json::json!({"message": text, "attributes": {"a": "\"v\""}});
        let sent = server.post("/api/v1/message", &body.to_string()).await;
        assert_eq!(sent.status, 201);
    }
    let page = server.get("/").await;
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let text = page.text();
    let newer = text.find("<p class=\"text\" dir=\"auto\">newer\n text</p>");
    assert!(newer.unwrap() < text.find("&#60;b&#62;older&#60;/b&#62;</p>").unwrap());
    assert!(text.contains("<span class=\"chip\"><b>a</b><bdi>&#34;v&#34;</bdi></span>"));
    assert!(text.contains("data-given=\"true\""));
}

#[tokio::test]
async fn the_page_counts_as_a_read_and_has_no_message_over_the_quota() {
    let quotas = Quotas {
        read: "1 per minute",
        ..Quotas::default()
    };
    let server = TestServer::with_quotas(quotas, |_| {});
    for given in ["true", "false"] {
        let page = server.get("/").await;
        assert_eq!(page.status, 200);
        assert!(page.text().contains(&format!("data-given=\"{given}\"")));
    }
    let read = server.get("/api/v1/topics/inbox/messages").await;
    read.assert_problem(429, "rate-limited");
}

#[tokio::test]
async fn the_page_has_no_message_where_reading_needs_a_token() {
    let policy = posthorn_application::AccessPolicy::protected(false);
    let server = TestServer::with_access(policy, |_| {});
    let body = "{\"message\": \"a secret\"}";
    assert_eq!(server.post("/api/v1/message", body).await.status, 201);
    let page = server.get("/").await;
    assert!(!page.text().contains("a secret"));
    assert!(page.text().contains("data-given=\"false\""));
}

#[tokio::test]
async fn an_asset_is_compressed_for_clients_that_accept_it() {
    let server = TestServer::start();
    let path = "/assets/list.js";
    let get = async |accepted: &str| {
        let headers = [("Accept-Encoding", accepted)];
        server.call("GET", path, &headers, "").await
    };
    let plain = server.get(path).await;
    assert_eq!(plain.header("vary"), Some("Accept-Encoding"));
    for accepted in ["gzip", "br, gzip;q=0.5", "gzip, deflate, br, zstd"] {
        let small = get(accepted).await;
        assert_eq!(small.header("content-encoding"), Some("gzip"), "{accepted}");
        assert!(small.body.starts_with(&[0x1f, 0x8b]));
        assert!(small.body.len() < plain.body.len() / 2);
        let tag = small.header("etag").unwrap();
        assert_ne!(Some(tag), plain.header("etag"));
        let known = [("Accept-Encoding", accepted), ("If-None-Match", tag)];
        assert_eq!(server.call("GET", path, &known, "").await.status, 304);
    }
    for accepted in ["identity", "br", "gzip;q=0"] {
        let same = get(accepted).await;
        assert_eq!(same.header("content-encoding"), None, "{accepted}");
        assert_eq!(same.body, plain.body);
    }
}

#[tokio::test]
async fn the_page_loads_every_module_that_its_scripts_import() {
    let server = TestServer::start();
    let page = server.call("GET", "/?lang=en", &[], "").await;
    let listed: Vec<_> = page
        .text()
        .split("modulepreload\" href=\"")
        .skip(1)
        .collect();
    let names: Vec<_> = listed
        .iter()
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    let (folder, _) = names[0].rsplit_once('/').unwrap();
    let [english, russian, entry] =
        ["texts-en", "texts-ru", "page"].map(|name| format!("{folder}/{name}.js"));
    assert!(names.contains(&&*english) && !names.contains(&&*russian));
    for name in names.iter().chain([&&*entry]) {
        let script = server.get(name).await;
        assert_eq!(script.status, 200, "{name}");
        for import in script.text().split("from './").skip(1) {
            let import = format!("{folder}/{}", import.split('\'').next().unwrap());
            assert!(names.contains(&import.as_str()), "{name}: {import}");
        }
    }
}
