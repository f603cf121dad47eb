//! A Redis primary with a replica, monitored by Sentinels.

use std::time::Duration;

use super::server::{Launch, RedisServer};
use crate::eventually;

/// The time limit for the Sentinels to agree.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// One primary, one replica, and Sentinels that promote the replica when the primary is down for half a
/// second.
pub struct RedisSentinel {
    servers: Vec<RedisServer>,
    sentinels: Vec<RedisServer>,
}

impl RedisSentinel {
    /// The name under which the Sentinels monitor the primary.
    pub const MASTER_NAME: &'static str = "posthorn-master";

    /// Starts all servers, without persistence, and waits until every Sentinel knows the replica and the
    /// other Sentinels.
    ///
    /// # Panics
    /// When `redis-server` is missing, or that takes more than thirty seconds.
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
        // A Sentinel queries the primary for its replicas at its start and then every ten seconds only.
        eventually(TIME_LIMIT, async || {
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

    /// The URLs of the Sentinels: `redis://127.0.0.1:PORT`.
    pub fn sentinel_urls(&self) -> Vec<String> {
        self.sentinels.iter().map(RedisServer::url).collect()
    }

    /// The Sentinels, to pause them.
    pub fn sentinels(&self) -> &[RedisServer] {
        &self.sentinels
    }

    /// The port of the primary, as the last Sentinel reports it.
    ///
    /// # Panics
    /// When the last Sentinel does not reply.
    pub async fn master_port(&self) -> u16 {
        let question = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Self::MASTER_NAME];
        let sentinel = self.sentinels.last().expect("at least one sentinel");
        let reply = sentinel.command(&question).await.unwrap();
        reply
            .lines()
            .last()
            .and_then(|port| port.parse().ok())
            .expect("an address")
    }

    /// The server that the last Sentinel reports as the primary, to stop and start it.
    ///
    /// # Panics
    /// When the last Sentinel does not reply.
    pub async fn master_mut(&mut self) -> &mut RedisServer {
        let port = self.master_port().await;
        self.servers
            .iter_mut()
            .find(|server| server.port() == port)
            .expect("a known server")
    }

    /// Has the replica promoted while the primary runs, and waits until the last Sentinel reports it.
    /// The old primary accepts writes for some more seconds. Returns the ports of both.
    ///
    /// # Panics
    /// When that takes more than thirty seconds, or the last Sentinel does not reply.
    pub async fn fail_over_planned(&self) -> (u16, u16) {
        let old = self.master_port().await;
        let sentinel = self.sentinels.last().expect("at least one sentinel");
        let order = ["SENTINEL", "FAILOVER", Self::MASTER_NAME];
        sentinel.command(&order).await.unwrap();
        eventually(TIME_LIMIT, async || self.master_port().await != old).await;
        (old, self.master_port().await)
    }

    /// The server on that port.
    ///
    /// # Panics
    /// When no data node has that port.
    pub fn server(&self, port: u16) -> &RedisServer {
        let mut servers = self.servers.iter();
        servers
            .find(|server| server.port() == port)
            .expect("a known server")
    }

    /// Kills the primary and waits until the replica is promoted.
    ///
    /// # Panics
    /// When that takes more than thirty seconds, or the last Sentinel does not reply.
    pub async fn fail_over(&mut self) {
        let old = self.master_port().await;
        self.master_mut().await.stop();
        eventually(TIME_LIMIT, async || {
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
            eventually(TIME_LIMIT, async || {
                let question = ["SENTINEL", "MASTER", Self::MASTER_NAME];
                let reply = sentinel.command(&question).await.unwrap_or_default();
                field(&reply, "num-slaves") == Some("1")
                    && field(&reply, "num-other-sentinels") == Some(&others)
            })
            .await;
        }
    }
}

/// The value of one field in a reply of alternating names and values.
fn field<'a>(reply: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = reply.lines();
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
