//! `PUBLIC_URL`: links are absolute, and pages work under the path of a proxy.

use crate::support::TestServer;

const BASE: &str = "https://www.example/inbox";

fn start() -> TestServer {
    TestServer::with(|settings| settings.public_url = BASE.parse().unwrap())
}

#[tokio::test]
async fn links_of_the_api_begin_with_the_public_url() {
    let server = start();
    let mut ids = Vec::new();
    for text in ["one", "two"] {
        let receipt = server
            .post("/api/v1/message", format!("{{\"message\":\"{text}\"}}"))
            .await;
        assert_eq!(receipt.status, 201);
        let id = receipt.json()["id"].as_str().unwrap().to_owned();
        let location = format!("{BASE}/api/v1/topics/inbox/messages/{id}");
        assert_eq!(receipt.header("location"), Some(location.as_str()));
        ids.push(id);
    }
    let page = server.get("/api/v1/topics/inbox/messages?limit=1").await;
    let next = format!(
        "{BASE}/api/v1/topics/inbox/messages?after={}&limit=1&order=asc",
        ids[0]
    );
    assert_eq!(page.json()["next"], next.as_str());
    let link = format!("<{next}>; rel=\"next\"");
    assert_eq!(page.header("link"), Some(link.as_str()));

    let legacy = server.get("/api/ping").await;
    let link = legacy.header("link").unwrap();
    assert!(link.contains(&format!("<{BASE}/api/v1/ping>")), "{link}");

    // The type is a link; the instance is the path that was requested.
    let problem = server.get("/none").await.json();
    assert_eq!(
        problem["type"],
        format!("{BASE}/problems/not-found").as_str()
    );
    assert_eq!(problem["instance"], "/none");

    let description = server.get("/api-docs/openapi.json").await.json();
    assert_eq!(description["servers"][0]["url"], BASE);
    let moved = server.get("/apidocs/").await;
    assert_eq!(
        moved.header("location"),
        Some(format!("{BASE}/docs/").as_str())
    );
}

#[tokio::test]
async fn pages_request_everything_under_the_path_of_the_proxy() {
    let server = start();
    for path in ["/", "/problems/not-found"] {
        let page = server.get(path).await;
        let text = page.text();
        for attribute in ["href=\"", "src=\""] {
            for link in text.split(attribute).skip(1) {
                let is_known = ["/inbox/", "data:", "#"]
                    .iter()
                    .any(|start| link.starts_with(start));
                assert!(is_known, "{path}: {link}");
            }
        }
    }
    let page = server.get("/").await;
    assert!(page.text().contains("data-base=\"/inbox\""));
    let docs = server.get("/docs/swagger-initializer.js").await;
    assert!(docs.text().contains("\"../api-docs/openapi.json\""));
}

#[tokio::test]
async fn a_form_continues_at_the_url_that_it_names() {
    let server = start();
    let headers = [
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Accept", "text/html"),
    ];
    for (next, expected) in [
        (
            "https://www.example/inbox/?a#b",
            Some("https://www.example/inbox/?a#b"),
        ),
        ("//www.example/thanks", Some("https://www.example/thanks")),
        ("/inbox/", Some("/inbox/")),
        ("../../../../thanks", Some("/inbox/thanks")),
        ("http://www.example/inbox/", None),
        ("http://test/", None),
    ] {
        let next: Vec<_> = next.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let body = format!("message=a&_next={}", next.concat());
        let path = "/api/v1/topics/t/messages";
        let response = server.call("POST", path, &headers, body).await;
        assert_eq!(response.status, if expected.is_some() { 303 } else { 201 });
        if expected.is_some() {
            assert_eq!(response.header("location"), expected);
        }
    }
}
