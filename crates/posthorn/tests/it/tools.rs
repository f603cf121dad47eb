//! `posthorn doctor`, `backup`, `completions`, `man` and the options of the listener.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{Clock, MessageStore};
use posthorn_domain::Topic;
use posthorn_embedded::{EmbeddedStore, EmbeddedStoreSettings};
use posthorn_system::SystemClock;
use posthorn_testkit::{FakeClock, RedisServer, free_port, samples};
use reqwest::StatusCode;
use tempfile::TempDir;

use crate::support::{Server, run};

/// So few that every limit on open files allows them.
const FEW: [(&str, &str); 1] = [("MAX_CONNECTIONS", "10")];

/// The line of `posthorn doctor` about a subject.
#[track_caller]
fn line<'a>(report: &'a str, subject: &str) -> &'a str {
    let mut lines = report.lines();
    let line = lines.find(|line| line.split_whitespace().nth(1) == Some(subject));
    line.unwrap_or_else(|| panic!("no {subject} in\n{report}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_finds_nothing_wrong_and_changes_nothing() {
    let directory = TempDir::new().unwrap();
    let (status, report, stderr) = run(directory.path(), &["doctor", "--port", "0"], &FEW).await;
    assert_eq!(status.code(), Some(0), "{report}{stderr}");
    assert!(
        report.lines().all(|line| line.starts_with("ok ")),
        "{report}"
    );
    assert!(
        line(&report, "store").contains("does not exist yet"),
        "{report}"
    );
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);

    let server = Server::start(&directory, &[]).await;
    let port = server.url.rsplit(':').next().unwrap();
    let (status, report, _) = run(directory.path(), &["doctor", "--port", port], &FEW).await;
    assert_eq!(status.code(), Some(0), "{report}");
    assert!(
        line(&report, "port").contains("a server responds"),
        "{report}"
    );
    assert!(line(&report, "store").contains("can be read"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_names_everything_that_is_wrong() {
    let directory = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let key = directory.path().join("key");
    std::fs::write(&key, "0123456789abcdef0123456789abcdef").unwrap();
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::write(
        directory.path().join("a.db"),
        "not a database, but a text of some length",
    )
    .unwrap();
    let environment = [
        ("PORT", port.as_str()),
        ("SECRET_KEY_FILE", "key"),
        ("STORE_URL", "file:a.db"),
        ("REDIS_URL", "redis://:hunter2@127.0.0.1:1"),
        ("REDIS_REQUIRED", "true"),
    ];
    let (status, report, _) = run(directory.path(), &["doctor"], &environment).await;
    assert_eq!(status.code(), Some(1), "{report}");
    for (subject, outcome) in [
        ("port", "fail"),
        ("secrets", "warn"),
        ("store", "fail"),
        ("redis", "fail"),
    ] {
        assert!(line(&report, subject).starts_with(outcome), "{report}");
    }
    assert!(!report.contains("hunter2"), "{report}");

    let environment = [("PORT", "x"), ("MAX_STREAMS", "many")];
    let (status, report, _) = run(directory.path(), &["doctor"], &environment).await;
    assert_eq!(status.code(), Some(78));
    assert!(report.contains("fail  configuration PORT: `x`"), "{report}");
    assert_eq!(report.lines().count(), 2, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_checks_redis_as_a_start_does() {
    let redis = RedisServer::start().await;
    let directory = TempDir::new().unwrap();
    let url = redis.url();
    let environment = [
        ("STORE_URL", url.as_str()),
        ("REDIS_URL", &url),
        ("PORT", "0"),
    ];
    let (status, report, _) = run(directory.path(), &["doctor"], &environment).await;
    assert_eq!(status.code(), Some(0), "{report}");
    for subject in ["store", "redis"] {
        assert!(line(&report, subject).contains("responds"), "{report}");
    }
    let (status, _, stderr) = run(directory.path(), &["backup", "a.db"], &environment).await;
    assert_eq!(status.code(), Some(1));
    assert!(stderr.contains("redis-cli --rdb"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_names_every_file_of_a_secret_that_others_can_read() {
    let directory = TempDir::new().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    };
    write("a.db.key", &"a".repeat(64));
    let environment = [("STORE_URL", "file:a.db"), ("PORT", "0")];
    let (status, report, _) = run(directory.path(), &["doctor"], &environment).await;
    assert_eq!(status.code(), Some(1), "{report}");
    assert!(line(&report, "secrets").starts_with("warn"), "{report}");
    assert!(line(&report, "secrets").contains("a.db.key, the file of SECRET_KEY"));
    assert!(line(&report, "key").starts_with("fail"), "{report}");

    write(
        "posthorn.toml",
        "secret_key = \"0123456789abcdef0123456789abcdef\"\n",
    );
    let (status, report, _) = run(directory.path(), &["doctor"], &environment).await;
    assert_eq!(status.code(), Some(0), "{report}");
    let secrets = line(&report, "secrets");
    assert!(secrets.starts_with("warn"), "{report}");
    assert!(
        secrets.contains("posthorn.toml, the file of SECRET_KEY"),
        "{report}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_finds_that_a_store_cannot_be_created() {
    let directory = TempDir::new().unwrap();
    let environment = [("STORE_URL", "file:/proc/x.db"), ("PORT", "0")];
    let (status, report, _) = run(directory.path(), &["doctor"], &environment).await;
    assert_eq!(status.code(), Some(1), "{report}");
    let store = line(&report, "store");
    assert!(
        store.starts_with("fail") && store.contains("/proc/x.db"),
        "{report}"
    );
    assert!(store.contains("cannot be created: "), "{report}");
}

/// True if doctor warns that the newest id is more than 399 days ahead.
async fn warns_of_ids_ahead(directory: &TempDir, store: &str) -> bool {
    let environment = [("STORE_URL", store), ("PORT", "0")];
    let (status, report, _) = run(directory.path(), &["doctor"], &environment).await;
    assert_eq!(status.code(), Some(0), "{report}");
    let mut lines = report.lines();
    let line = lines.find(|line| line.starts_with("warn") && line.contains("the newest id"));
    line.is_some_and(|line| {
        let mut words = line.split_whitespace();
        let seconds: u64 = words.nth(2).unwrap().parse().unwrap();
        seconds > 399 * 86_400
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_warns_of_ids_ahead_of_the_clock() {
    let directory = TempDir::new().unwrap();
    let (path, clock) = (directory.path().join("a.db"), Arc::new(FakeClock::new()));
    let future = SystemClock::new().now();
    let future = future.saturating_add(Duration::from_hours(400 * 24));
    clock.set_now(future);
    let store = EmbeddedStore::open(&EmbeddedStoreSettings::new(path), clock).unwrap();
    let append = samples::append(&Topic::inbox(), "from the future");
    store.append(append).await.unwrap();
    store.close().await;
    drop(store);
    assert!(warns_of_ids_ahead(&directory, "file:a.db").await);

    let redis = RedisServer::start_durable().await;
    let url = redis.url();
    assert!(!warns_of_ids_ahead(&directory, &url).await);
    let id = format!("{}-1", future.as_millis());
    for command in [
        &["ZADD", "posthorn:topics", "0", "inbox"][..],
        &["XADD", "posthorn:{t:inbox}:messages", &id, "content", "a"],
    ] {
        redis.command(command).await.unwrap();
    }
    assert!(warns_of_ids_ahead(&directory, &url).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_running_server_serves_its_messages() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[]).await;
    assert_eq!(server.post("kept").await.status(), StatusCode::CREATED);
    let (status, stdout, stderr) = run(directory.path(), &["backup", "copy.db"], &[]).await;
    assert_eq!(status.code(), Some(0), "{stderr}");
    assert!(
        stdout.starts_with("copy.db: ") && stdout.ends_with(" bytes\n"),
        "{stdout}"
    );
    let (status, _, stderr) = run(directory.path(), &["backup", "copy.db"], &[]).await;
    assert_eq!(status.code(), Some(1));
    assert!(stderr.contains("copy.db exists"), "{stderr}");
    assert_eq!(server.post("later").await.status(), StatusCode::CREATED);
    let restored = Server::start(&directory, &[("STORE_URL", "file:copy.db")]).await;
    assert_eq!(restored.all_texts("inbox").await, ["kept"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_options_of_the_listener_win_over_the_settings() {
    let directory = TempDir::new().unwrap();
    let port = free_port().to_string();
    let arguments = ["config", "--port", &port, "--host", "::1"];
    let (status, stdout, stderr) = run(directory.path(), &arguments, &[("PORT", "1")]).await;
    assert_eq!(status.code(), Some(0), "{stderr}");
    let row = |name: &str| {
        let line = stdout
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")));
        line.unwrap()
            .split_whitespace()
            .skip(1)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(row("PORT"), format!("{port} --port"));
    assert_eq!(row("HOST"), "::1 --host");
    assert_eq!(row("REDIS_URL"), "(unset) default");

    let mut command = crate::support::posthorn(directory.path());
    command.args(["serve", "--port", &port]);
    let server = Server::start_by(command, &[]).await;
    assert!(server.url.ends_with(&format!(":{port}")), "{}", server.url);
}

#[tokio::test]
async fn completions_and_manual_pages_name_every_command() {
    let directory = TempDir::new().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let (status, stdout, _) = run(directory.path(), &["completions", shell], &[]).await;
        assert_eq!(status.code(), Some(0));
        assert!(
            stdout.contains("doctor") && stdout.contains("dead-delete"),
            "{shell}"
        );
    }
    let (status, page, _) = run(directory.path(), &["man"], &[]).await;
    assert_eq!(status.code(), Some(0));
    assert!(
        page.contains(".TH posthorn 1") && page.contains("posthorn\\-doctor(1)"),
        "{page}"
    );
    let (status, page, _) = run(directory.path(), &["man", "token", "issue"], &[]).await;
    assert_eq!(status.code(), Some(0));
    assert!(page.contains(".TH posthorn-token-issue 1"), "{page}");
    assert!(page.contains(" \"posthorn 0"), "{page}");
    let (status, _, stderr) = run(directory.path(), &["man", "nothing"], &[]).await;
    assert_eq!(status.code(), Some(2));
    assert!(stderr.contains("no command `nothing`"), "{stderr}");
}

#[tokio::test]
async fn every_error_has_one_style() {
    let directory = TempDir::new().unwrap();
    for (arguments, code) in [
        (&["--nonsense"][..], 2),
        (&["serve", "--port", "70000"], 2),
        (&["list"], 2),
        (&["topics", "--url", "nowhere"], 2),
        (&["--config", "/nonexistent", "config"], 1),
    ] {
        let (status, stdout, stderr) = run(directory.path(), arguments, &[]).await;
        assert_eq!(
            (status.code(), stdout.as_str()),
            (Some(code), ""),
            "{arguments:?}"
        );
        assert!(
            stderr.starts_with("posthorn: ") && !stderr.contains("error: "),
            "{stderr}"
        );
    }
    let environment = [("POSTHORN_CONFIG", "/nonexistent")];
    let (_, _, stderr) = run(directory.path(), &["config"], &environment).await;
    assert!(stderr.contains("\nPOSTHORN_CONFIG: "), "{stderr}");
}
