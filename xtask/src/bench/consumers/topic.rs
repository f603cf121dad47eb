//! A topic with a consumer, and how it is filled.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::shell::{capture, output};

/// The text of each message.
const TEXT: &str = "The quick brown fox jumps over the lazy dog";
/// The messages that one script of Redis appends.
const CHUNK: u32 = 10_000;

/// The paths of a topic and its consumers.
#[derive(Debug)]
pub(super) struct WorkTopic {
    pub(super) address: SocketAddr,
    name: &'static str,
}

impl WorkTopic {
    pub(super) fn new(address: SocketAddr, name: &'static str) -> Self {
        Self { address, name }
    }

    /// The path of its messages.
    pub(super) fn messages(&self) -> String {
        format!("/api/v1/topics/{}/messages", self.name)
    }

    /// The path of a consumer.
    pub(super) fn consumer(&self, consumer: &str) -> String {
        format!("/api/v1/topics/{}/consumers/{consumer}", self.name)
    }
}

/// Fills the topic `inbox` of a database by the example `fill`.
pub(super) fn fill_file(tool: &Path, file: &Path, count: u32) -> Result<(), String> {
    let mut command = Command::new(tool);
    output(command.arg(file).arg(count.to_string())).map(drop)
}

/// Fills the topic `inbox` of a Redis.
pub(super) fn fill_redis(address: SocketAddr, count: u32) -> Result<(), String> {
    let port = address.port().to_string();
    let cli = |arguments: &[&str]| {
        let mut command = Command::new("redis-cli");
        capture(command.args(["-p", &port]).args(arguments))
    };
    let script =
        format!("for i = 1, {CHUNK} do redis.call('XADD', KEYS[1], '*', 'content', ARGV[1]) end");
    for _ in 0..count / CHUNK {
        cli(&["EVAL", &script, "1", "posthorn:{t:inbox}:messages", TEXT])?;
    }
    cli(&["ZADD", "posthorn:topics", "0", "inbox"]).map(drop)
}
