//! `posthorn token revoke`, with a server and without one, on a file and on Redis.

use std::time::Duration;

use posthorn_testkit::{RedisServer, eventually};
use tempfile::TempDir;

use crate::support::{PATIENCE, Server, run};
use crate::tokens::{KEY, PRODUCTION, issue, status};

/// The time limit within which every server honours a revocation: five seconds, and what a busy machine adds.
const HONOURED: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_revoked_through_a_server_and_without_one() {
    let directory = TempDir::new().unwrap();
    let mut server = Server::start(&directory, &PRODUCTION).await;
    let arguments = ["--sub", "r", "--scope", "messages:read"];
    let tokens = [
        issue(&directory, KEY, &arguments).await,
        issue(&directory, KEY, &arguments).await,
        issue(&directory, KEY, &arguments).await,
    ];
    for token in &tokens {
        assert_eq!(status(&server, token).await, 200);
    }
    let jti = posthorn_jwt::peek(&tokens[0]).unwrap().id.to_string();
    let environment = [("SECRET_KEY", KEY), ("POSTHORN_URL", server.url.as_str())];
    let arguments = ["token", "revoke", &jti];
    let (code, stdout, stderr) = run(directory.path(), &arguments, &environment).await;
    assert_eq!(code.code(), Some(0), "{stderr}");
    assert!(stdout.contains(&jti), "{stdout}");
    eventually(HONOURED, async || status(&server, &tokens[0]).await == 401).await;
    assert_eq!(status(&server, &tokens[1]).await, 200);
    eventually(PATIENCE, async || server.logged("revoke-token") == 1).await;

    let part = tokens[1].get(..60).unwrap();
    let (code, _, stderr) = run(directory.path(), &["token", "revoke", part], &environment).await;
    assert_eq!(code.code(), Some(2), "{stderr}");
    assert!(stderr.contains("a whole token"), "{stderr}");
    assert_eq!(status(&server, &tokens[1]).await, 200);

    // The server is not reachable under this address, but has locked the file.
    let lost = [("SECRET_KEY", KEY), ("POSTHORN_URL", "http://127.0.0.1:1")];
    let arguments = ["token", "revoke", tokens[1].as_str()];
    let (code, _, stderr) = run(directory.path(), &arguments, &lost).await;
    assert_eq!(code.code(), Some(75));
    assert!(
        stderr.contains("in use") && stderr.contains("POSTHORN_URL"),
        "{stderr}"
    );
    // A token that is signed with another key does not permit to revoke.
    let other = [
        ("SECRET_KEY", "fedcba9876543210fedcba9876543210"),
        ("POSTHORN_URL", server.url.as_str()),
    ];
    let (code, _, stderr) = run(directory.path(), &arguments, &other).await;
    assert_eq!(code.code(), Some(1));
    assert!(stderr.contains("401 unauthorized"), "{stderr}");

    server.signal("TERM").await;
    server.ended().await;
    let offline = [lost[0], lost[1], ("LOG_FORMAT", "bunyan")];
    let (code, stdout, stderr) = run(directory.path(), &arguments, &offline).await;
    assert_eq!(code.code(), Some(0), "{stderr}");
    let said: Vec<&str> = stdout.lines().collect();
    assert!(
        matches!(said[..], [line] if line.contains("posthorn.db")),
        "only the result is on standard output: {stdout}"
    );
    // As a server writes it.
    assert!(
        stderr.contains(r#""action":"revoke-token""#) && stderr.contains(r#""outcome":"done""#),
        "{stderr}"
    );
    let server = Server::start(&directory, &PRODUCTION).await;
    assert_eq!(
        status(&server, &tokens[0]).await,
        401,
        "it outlives the process"
    );
    assert_eq!(
        status(&server, &tokens[1]).await,
        401,
        "it was written without a server"
    );
    assert_eq!(status(&server, &tokens[2]).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_this_machine_does_not_stand_for_a_server_of_another() {
    let directory = TempDir::new().unwrap();
    let mut server = Server::start(&directory, &PRODUCTION).await;
    server.signal("TERM").await;
    server.ended().await;
    let away = [
        ("SECRET_KEY", KEY),
        ("POSTHORN_URL", "http://inbox.invalid:1"),
    ];
    let (code, stdout, stderr) = run(directory.path(), &["token", "revoke", "id-1"], &away).await;
    assert_eq!(code.code(), Some(75), "{stdout}");
    assert!(stderr.contains("nothing is revoked"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_pod_of_a_redis_honours_a_revocation() {
    let redis = RedisServer::start().await;
    let (directory, url) = (TempDir::new().unwrap(), redis.url());
    let shared = [&PRODUCTION[..], &[("STORE_URL", url.as_str())]].concat();
    let pods = [
        Server::start(&directory, &shared).await,
        Server::start(&directory, &shared).await,
    ];
    let arguments = ["--sub", "r", "--scope", "messages:read"];
    let tokens = [
        issue(&directory, KEY, &arguments).await,
        issue(&directory, KEY, &arguments).await,
    ];
    for (pod, token) in pods.iter().zip(&tokens) {
        assert_eq!(status(pod, token).await, 200);
    }
    // The first through a server, the second in the store.
    for (token, place) in tokens
        .iter()
        .zip([pods[0].url.as_str(), "http://127.0.0.1:1"])
    {
        let environment = [
            ("SECRET_KEY", KEY),
            ("STORE_URL", url.as_str()),
            ("POSTHORN_URL", place),
        ];
        let jti = posthorn_jwt::peek(token).unwrap().id.to_string();
        let arguments = ["token", "revoke", &jti];
        let (code, _, stderr) = run(directory.path(), &arguments, &environment).await;
        assert_eq!(code.code(), Some(0), "{stderr}");
        for pod in &pods {
            eventually(HONOURED, async || status(pod, token).await == 401).await;
        }
    }
}
