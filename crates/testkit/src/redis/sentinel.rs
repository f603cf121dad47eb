//! A Redis master with a replica, watched by sentinels.

use std::time::Duration;

use super::server::{Launch, RedisServer};
use crate::eventually;

/// How long the sentinels may take to agree.
const PATIENCE: Duration = Duration::from_secs(30);

/// One master, one replica, and sentinels that make the replica a master when the master is gone
/// for half a second.
pub struct RedisSentinel {
    servers: Vec<RedisServer>,
    sentinels: Vec<RedisServer>,
}

impl RedisSentinel {
    /// The name under which the sentinels know the master.
    pub const MASTER_NAME: &'static str = "posthorn-master";

    /// Starts everything, in memory only, and waits until every sentinel knows the replica and
    /// the other sentinels.
    ///
    /// # Panics
    /// When `redis-server` is missing, or that does not come about in thirty seconds.
    pub async fn start(sentinels: usize) -> Self {
        let plain = [
            "--save",
            "",
            "--appendonly",
            "no",
            "--repl-diskless-sync-delay",
            "0",
        ];
        let master = RedisServer::start_with(&plain).await;
        let address = ["127.0.0.1", &master.port().to_string()].join(" ");
        let mut arguments = plain.to_vec();
        arguments.extend(["--replicaof", &address]);
        let replica = RedisServer::start_with(&arguments).await;
        // A sentinel asks the master for its replicas at once and then every ten seconds only.
        eventually(PATIENCE, async || {
            let info = master
                .command(&["INFO", "replication"])
                .await
                .unwrap_or_default();
            info.contains("state=online")
        })
        .await;
        let configuration = configuration(&address, sentinels / 2 + 1);
        let mut started = Vec::new();
        for _ in 0..sentinels {
            started.push(RedisServer::launch(|| Launch::Sentinel(configuration.clone())).await);
        }
        let all = Self {
            servers: vec![master, replica],
            sentinels: started,
        };
        all.wait_until_ready().await;
        all
    }

    /// Where clients find the sentinels: `redis://127.0.0.1:PORT` each.
    pub fn sentinel_urls(&self) -> Vec<String> {
        self.sentinels.iter().map(RedisServer::url).collect()
    }

    /// The sentinels, to pause them.
    pub fn sentinels(&self) -> &[RedisServer] {
        &self.sentinels
    }

    /// The port of the master, as the last sentinel sees it.
    ///
    /// # Panics
    /// When the last sentinel does not answer.
    pub async fn master_port(&self) -> u16 {
        let question = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Self::MASTER_NAME];
        let sentinel = self.sentinels.last().expect("at least one sentinel");
        let answer = sentinel.command(&question).await.unwrap();
        answer
            .lines()
            .last()
            .and_then(|port| port.parse().ok())
            .expect("an address")
    }

    /// The server that the last sentinel sees as the master, to stop it and start it again.
    ///
    /// # Panics
    /// When the last sentinel does not answer.
    pub async fn master_mut(&mut self) -> &mut RedisServer {
        let port = self.master_port().await;
        self.servers
            .iter_mut()
            .find(|server| server.port() == port)
            .expect("a known server")
    }

    /// Kills the master and waits until the replica is the master.
    ///
    /// # Panics
    /// When that takes more than thirty seconds, or the last sentinel does not answer.
    pub async fn fail_over(&mut self) {
        let old = self.master_port().await;
        self.master_mut().await.stop();
        eventually(PATIENCE, async || {
            let new = self.master_port().await;
            if new == old {
                return false;
            }
            let promoted = self.servers.iter().find(|server| server.port() == new);
            let role = promoted.expect("a known server").command(&["ROLE"]).await;
            role.is_ok_and(|role| role.starts_with("master"))
        })
        .await;
    }

    async fn wait_until_ready(&self) {
        let others = (self.sentinels.len() - 1).to_string();
        for sentinel in &self.sentinels {
            eventually(PATIENCE, async || {
                let question = ["SENTINEL", "MASTER", Self::MASTER_NAME];
                let answer = sentinel.command(&question).await.unwrap_or_default();
                field(&answer, "num-slaves") == Some("1")
                    && field(&answer, "num-other-sentinels") == Some(&others)
            })
            .await;
        }
    }
}

/// The value of one field in an answer of alternating names and values.
fn field<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = answer.lines();
    while let Some(found) = lines.next() {
        let value = lines.next();
        if found == name {
            return value;
        }
    }
    None
}

fn configuration(master: &str, quorum: usize) -> String {
    let name = RedisSentinel::MASTER_NAME;
    format!(
        "sentinel monitor {name} {master} {quorum}\n\
         sentinel down-after-milliseconds {name} 500\n\
         sentinel failover-timeout {name} 3000\n"
    )
}
