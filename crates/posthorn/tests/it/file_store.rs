//! The embedded store under the real binary: a start that takes long.

use std::process::Stdio;

use posthorn_testkit::eventually;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::{PATIENCE, posthorn, send_signal};

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_heard_while_the_store_is_still_opened() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    std::fs::create_dir(&data).unwrap();
    // A pipe keeps whoever opens it waiting, as a large file keeps whoever checks it.
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

/// Whether a process has a handler for SIGTERM, so that it does not end by itself.
fn listens_for_sigterm(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = u64::from_str_radix(caught.unwrap().trim(), 16).unwrap();
    caught & (1 << 14) != 0
}
