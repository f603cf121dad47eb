//! The embedded store in the real binary: a slow start, a full disk, retention, the cache of messages.

use std::path::Path;
use std::process::Stdio;

use posthorn_testkit::eventually;
use reqwest::StatusCode;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::{PATIENCE, Server, limited_posthorn, posthorn, send_signal, wrapped_posthorn};

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_signal_is_handled_while_the_store_is_being_opened() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    std::fs::create_dir(&data).unwrap();
    // Opening a pipe blocks, as checking a large file does.
    let pipe = Command::new("mkfifo")
        .arg(data.join("posthorn.db.lock"))
        .status();
    assert!(pipe.await.unwrap().success());
    let mut child = posthorn(directory.path())
        .env("PORT", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let pid = child.id().unwrap();
    eventually(PATIENCE, async || listens_for_sigterm(pid)).await;
    send_signal(pid, "TERM").await;
    let status = timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_503_loses_no_acknowledged_message_and_recovers() {
    let directory = TempDir::new().unwrap();
    // A soft limit of 200 or 400 kB per file, depending on the unit of the shell.
    let command = limited_posthorn(directory.path(), "-S -f 400");
    let mut server = Server::start_by(command, &[]).await;
    let mut acknowledged = Vec::new();
    let refused = loop {
        let text = format!("{} {}", acknowledged.len(), "x".repeat(900));
        let response = server.post(&text).await;
        if response.status() != StatusCode::CREATED {
            break response;
        }
        acknowledged.push(text);
        assert!(acknowledged.len() < 1000, "the disk is never full");
    };
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["code"], "store-unavailable");
    assert_eq!(server.all_texts("inbox").await, acknowledged);
    // The write of a probe is smaller than a message and may succeed a few times.
    eventually(PATIENCE, async || {
        let refused = server.post(&"x".repeat(900)).await.status();
        assert_eq!(refused, StatusCode::SERVICE_UNAVAILABLE);
        server.get("/health/ready").await.status() == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    let live = server.get("/health/live").await;
    assert_eq!(live.status(), StatusCode::OK);
    let room = Command::new("prlimit")
        .args(["--pid", &server.pid().to_string(), "--fsize=unlimited:"])
        .status();
    assert!(room.await.unwrap().success());
    eventually(PATIENCE, async || {
        server.get("/health/ready").await.status() == StatusCode::OK
    })
    .await;
    let after = server.post("after").await;
    assert_eq!(after.status(), StatusCode::CREATED);
    acknowledged.push("after".to_owned());
    assert_eq!(server.all_texts("inbox").await, acknowledged);
    // The files on the disk show it, too.
    server.signal("KILL").await;
    server.ended().await;
    let server = Server::start(&directory, &[]).await;
    assert_eq!(server.all_texts("inbox").await, acknowledged);
}

/// True if this user may mount a file system for a process of its own.
async fn may_mount(directory: &Path) -> bool {
    let mount = ["-rm", "mount", "-t", "tmpfs", "none", "."];
    let mut command = Command::new("unshare");
    let mounted = command.args(mount).current_dir(directory).output().await;
    mounted.is_ok_and(|output| output.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_a_full_disk_serves_reads_and_writes_once_there_is_space() {
    let directory = TempDir::new().unwrap();
    if !may_mount(directory.path()).await {
        eprintln!("skipped: it needs a disk of its own, and mounting is not permitted");
        return;
    }
    let mut server = Server::start(&directory, &[]).await;
    assert_eq!(server.post("before").await.status(), StatusCode::CREATED);
    server.signal("TERM").await;
    assert!(server.ended().await.success());
    std::fs::rename(
        directory.path().join("data"),
        directory.path().join("saved"),
    )
    .unwrap();
    std::fs::create_dir(directory.path().join("data")).unwrap();
    // The store is on a disk of 4 MiB, and another file takes all the rest of it.
    let script = "mount -t tmpfs -o size=4m none data && cp saved/* data/ \
        && { cat /dev/zero > data/other 2> /dev/null; exec \"$0\"; }";
    let command = wrapped_posthorn(directory.path(), &["unshare", "-rm", "sh", "-c", script]);
    let server = Server::start_by(command, &[]).await;
    assert_eq!(server.logged("no space on the disk"), 1, "{:?}", server.log);
    assert_eq!(server.all_texts("inbox").await, ["before"]);
    let unavailable = StatusCode::SERVICE_UNAVAILABLE;
    assert_eq!(server.get("/health/ready").await.status(), unavailable);
    assert_eq!(server.get("/health/live").await.status(), StatusCode::OK);
    let refused = server.post("refused").await;
    assert_eq!(refused.status(), unavailable);
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["code"], "store-unavailable");
    // The process sees its own disk.
    let root = format!("/proc/{}/root", server.pid());
    let data = directory.path().join("data");
    let disk = Path::new(&root).join(data.strip_prefix("/").unwrap());
    std::fs::remove_file(disk.join("other")).unwrap();
    eventually(PATIENCE, async || {
        server.get("/health/ready").await.status() == StatusCode::OK
    })
    .await;
    assert_eq!(server.post("after").await.status(), StatusCode::CREATED);
    assert_eq!(server.all_texts("inbox").await, ["before", "after"]);
    let reserve = disk.join("posthorn.db.reserve").metadata().unwrap();
    assert_eq!(reserve.len(), 512 * 1024);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_a_read_only_disk_serves_reads() {
    for signal in ["TERM", "KILL"] {
        let directory = TempDir::new().unwrap();
        if !may_mount(directory.path()).await {
            eprintln!("skipped: it needs a disk of its own, and mounting is not permitted");
            return;
        }
        let mut server = Server::start(&directory, &[]).await;
        assert_eq!(server.post("before").await.status(), StatusCode::CREATED);
        server.signal(signal).await;
        server.ended().await;
        let saved = directory.path().join("saved");
        std::fs::rename(directory.path().join("data"), saved).unwrap();
        std::fs::create_dir(directory.path().join("data")).unwrap();
        let script = "mount -t tmpfs none data && cp saved/* data/ && mount -o remount,ro data \
            && exec \"$0\"";
        let command = wrapped_posthorn(directory.path(), &["unshare", "-rm", "sh", "-c", script]);
        let server = Server::start_by(command, &[]).await;
        let logged = server.logged("the file system is read-only");
        assert_eq!(logged, 1, "{signal}: {:?}", server.log);
        assert_eq!(server.all_texts("inbox").await, ["before"], "{signal}");
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        for _ in 0..2 {
            assert_eq!(server.post("refused").await.status(), unavailable);
            assert_eq!(server.get("/health/ready").await.status(), unavailable);
        }
        assert_eq!(server.get("/health/live").await.status(), StatusCode::OK);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_lost_while_no_server_ran_is_logged() {
    let directory = TempDir::new().unwrap();
    let database = directory.path().join("data/posthorn.db");
    let mut server = Server::start(&directory, &[]).await;
    assert_eq!(server.logged("what it held is lost"), 0, "{:?}", server.log);
    assert_eq!(server.post("first").await.status(), StatusCode::CREATED);
    server.signal("KILL").await;
    server.ended().await;
    // The third frame of the log: what SQLite finds before it is no store yet.
    let log = database.with_extension("db-wal");
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[9000..9500].fill(0xa5);
    std::fs::write(&log, bytes).unwrap();
    let mut server = Server::start(&directory, &[]).await;
    let damaged = server.logged("the write-ahead log is damaged");
    assert_eq!(damaged, 1, "{:?}", server.log);
    assert_eq!(server.all_texts("inbox").await, [""; 0]);
    assert_eq!(server.post("second").await.status(), StatusCode::CREATED);
    server.signal("TERM").await;
    server.ended().await;
    std::fs::write(&database, "").unwrap();
    let server = Server::start(&directory, &[]).await;
    assert_eq!(server.logged("what it held is lost"), 1, "{:?}", server.log);
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_keeps_what_the_settings_require_and_readers_get_a_gap_event() {
    let directory = TempDir::new().unwrap();
    let mut server = Server::start(&directory, &[]).await;
    let mut ids = Vec::new();
    for number in 0..10 {
        let receipt: Value = server.post(&number.to_string()).await.json().await.unwrap();
        ids.push(receipt["id"].as_str().unwrap().to_owned());
    }
    server.signal("TERM").await;
    assert!(server.ended().await.success());
    // The first round is at the start.
    let server = Server::start(&directory, &[("RETENTION_COUNT", "3")]).await;
    eventually(PATIENCE, async || {
        server.metric("app_messages_pruned_total").await == Some(7.0)
    })
    .await;
    assert_eq!(server.all_texts("inbox").await, ["7", "8", "9"]);
    let topics = server.get_json("/api/v1/topics").await;
    assert_eq!(topics["topics"][0]["count"], 3, "{topics}");
    assert_eq!(topics["topics"][0]["first_id"], ids[7].as_str());
    for (after, truncated) in [(0, true), (5, true), (6, false)] {
        let path = format!("/api/v1/topics/inbox/messages?after={}", ids[after]);
        let page = server.get_json(&path).await;
        assert_eq!(page["truncated"], truncated, "after {after}: {page}");
    }
    let pruned = format!("/api/v1/topics/inbox/messages/{}", ids[6]);
    assert_eq!(server.get(&pruned).await.status(), StatusCode::NOT_FOUND);
    let path = format!("/api/v1/topics/inbox/stream?after={}", ids[0]);
    let mut stream = server.get(&path).await;
    let mut text = String::new();
    while !text.contains("event: message") {
        let chunk = timeout(PATIENCE, stream.chunk()).await.unwrap();
        text += std::str::from_utf8(&chunk.unwrap().expect("it goes on")).unwrap();
    }
    let gap = text.find("event: gap").expect("there is a gap");
    assert!(gap < text.find("event: message").unwrap(), "{text}");
    assert!(
        text.contains(&format!("\"first_id\":\"{}\"", ids[7])),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_comes_from_the_cache_until_it_is_deleted() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[]).await;
    let receipt: Value = server.post("text").await.json().await.unwrap();
    let id = receipt["id"].as_str().unwrap();
    let url = format!("{}/api/v1/topics/inbox/messages/{id}", server.url);
    let get = async || {
        let request = server.client.get(&url);
        let tag = format!("\"{id}\"");
        request.header("If-None-Match", tag).send().await.unwrap()
    };
    for _ in 0..3 {
        assert_eq!(get().await.status(), StatusCode::NOT_MODIFIED);
    }
    let metrics = server.get("/metrics").await.text().await.unwrap();
    let hits = metrics.lines().find(|line| {
        line.starts_with("app_cache_requests_total")
            && ["\"memory\"", "\"get\"", "\"hit\""]
                .iter()
                .all(|label| line.contains(label))
    });
    assert!(hits.unwrap().ends_with(" 2"), "{hits:?}");
    let deleted = server.client.delete(&url).send().await.unwrap();
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert_eq!(get().await.status(), StatusCode::NOT_FOUND);
}

/// True if a process has a handler for SIGTERM, so that the signal does not end it.
fn listens_for_sigterm(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = u64::from_str_radix(caught.unwrap().trim(), 16).unwrap();
    caught & (1 << 14) != 0
}
