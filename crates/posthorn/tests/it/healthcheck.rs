//! `posthorn healthcheck`.

use posthorn_testkit::eventually;
use tempfile::TempDir;

use crate::support::{PATIENCE, Server, run};

#[tokio::test]
async fn healthcheck_exits_0_for_a_ready_server_and_1_for_none() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[]).await;
    let port = server.url.rsplit(':').next().unwrap();
    let (status, _, stderr) = run(directory.path(), &["healthcheck"], &[("PORT", port)]).await;
    assert_eq!(status.code(), Some(0), "{stderr}");
    // Also without certificate authorities, as in many small images.
    let nothing = [
        ("PORT", port),
        ("SSL_CERT_FILE", "/nonexistent"),
        ("SSL_CERT_DIR", "/nonexistent"),
    ];
    let (status, _, stderr) = run(directory.path(), &["healthcheck"], &nothing).await;
    assert!(status.success(), "{stderr}");
    let url = format!("{}/nowhere", server.url);
    let (status, _, stderr) = run(directory.path(), &["healthcheck", "--url", &url], &[]).await;
    assert_eq!(status.code(), Some(1));
    assert!(stderr.contains("404"), "{stderr}");
    drop(server);
    let url = "http://u:hunter2@127.0.0.1:1/";
    let (status, _, stderr) = run(directory.path(), &["healthcheck", "--url", url], &[]).await;
    assert_eq!(status.code(), Some(1));
    let expected = "posthorn: cannot reach http://127.0.0.1:1 (from --url): Connection refused\n";
    assert_eq!(stderr, expected);
    assert!(!stderr.contains("hunter2"), "{stderr}");
}

#[tokio::test]
async fn healthcheck_of_an_address_requests_its_readiness() {
    let directory = TempDir::new().unwrap();
    let environment = [("DRAIN_DELAY", "1m")];
    let server = Server::start(&directory, &environment).await;
    for path in ["", "/"] {
        let url = format!("{}{path}", server.url);
        let (status, _, stderr) = run(directory.path(), &["healthcheck", "--url", &url], &[]).await;
        assert_eq!(status.code(), Some(0), "{stderr}");
    }
    // It still serves its page, but is not ready.
    server.signal("TERM").await;
    eventually(PATIENCE, async || server.logged("draining") > 0).await;
    for path in ["", "/"] {
        let url = format!("{}{path}", server.url);
        let (status, _, stderr) = run(directory.path(), &["healthcheck", "--url", &url], &[]).await;
        assert_eq!(status.code(), Some(1), "{path}");
        assert!(stderr.contains("/health/ready: 503"), "{stderr}");
    }
    let url = format!("{}/health/live", server.url);
    let (status, _, stderr) = run(directory.path(), &["healthcheck", "--url", &url], &[]).await;
    assert_eq!(status.code(), Some(0), "{stderr}");
}
