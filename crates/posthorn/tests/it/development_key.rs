//! The key of a server without `SECRET_KEY`: kept beside the file store, it outlives the process.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use crate::support::{Server, run};
use crate::tokens::status;

const ISSUE: [&str; 6] = [
    "token",
    "issue",
    "--sub",
    "alice",
    "--scope",
    "messages:read",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_development_key_outlives_a_restart() {
    let directory = TempDir::new().unwrap();
    let mut server = Server::start(&directory, &[]).await;
    let path = directory.path().join("data/posthorn.db.key");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (code, token, stderr) = run(directory.path(), &ISSUE, &[]).await;
    assert_eq!(code.code(), Some(0), "{stderr}");
    let token = token.trim();
    assert_eq!(status(&server, token).await, 200);
    server.signal("TERM").await;
    server.ended().await;

    let server = Server::start(&directory, &[]).await;
    assert_eq!(status(&server, token).await, 200);
    assert_eq!(server.logged("the development key is used"), 1);
    let key = fs::read_to_string(&path).unwrap();
    assert_eq!(server.logged(key.trim()), 0, "the key is in no log");
    // A key that is set wins.
    let arguments = ["token", "inspect", token];
    let other = [("SECRET_KEY", "0123456789abcdef0123456789abcdef")];
    let (code, _, _) = run(directory.path(), &arguments, &other).await;
    assert_eq!(code.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_development_key_that_cannot_be_used_stops_the_start_and_is_named() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("posthorn.db.key");
    let environment = [("STORE_URL", "file:posthorn.db"), ("PORT", "0")];
    for (text, mode, expected) in [
        ("a".repeat(64), 0o644, "chmod 600"),
        ("a".repeat(63), 0o600, "damaged"),
    ] {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        for arguments in [&["serve"][..], &ISSUE] {
            let (code, _, stderr) = run(directory.path(), arguments, &environment).await;
            assert_eq!(code.code(), Some(1), "{stderr}");
            for part in ["SECRET_KEY", "posthorn.db.key", expected] {
                assert!(stderr.contains(part), "{part}: {stderr}");
            }
        }
    }
    assert!(!directory.path().join("posthorn.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_kept_for_another_store_or_beside_a_key_that_is_set() {
    let directory = TempDir::new().unwrap();
    for environment in [
        ("STORE_URL", "memory:"),
        ("SECRET_KEY", "0123456789abcdef0123456789abcdef"),
    ] {
        let _server = Server::start(&directory, &[environment]).await;
        assert!(!directory.path().join("data/posthorn.db.key").exists());
    }
}
