//! A Redis primary with replicas, monitored by Sentinels.

use std::time::Duration;

use super::server::{Launch, RedisServer};
use crate::eventually;

/// The time limit for the Sentinels to agree.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// A primary with replicas, and Sentinels that promote one of them when the primary is down.
pub struct RedisSentinel {
    servers: Vec<RedisServer>,
    sentinels: Vec<RedisServer>,
}

/// The servers to start.
#[derive(Clone, Copy, Debug)]
pub struct SentinelSetup<'a> {
    /// The number of Sentinels; most of them must agree that the primary is down.
    pub sentinels: usize,
    /// Further arguments of each replica.
    pub replicas: &'a [&'a [&'a str]],
    /// How long a server must not respond until it counts as down.
    pub down_after: Duration,
}

impl Default for SentinelSetup<'_> {
    /// One Sentinel and one replica, and a server is down after half a second.
    fn default() -> Self {
        Self {
            sentinels: 1,
            replicas: &[&[]],
            down_after: Duration::from_millis(500),
        }
    }
}

impl RedisSentinel {
    /// The name under which the Sentinels monitor the primary.
    pub const MASTER_NAME: &'static str = "posthorn-master";

    /// Starts one primary, one replica and this number of Sentinels; see [`Self::start_as`].
    ///
    /// # Panics
    /// When `redis-server` is missing, or that takes more than thirty seconds.
    pub async fn start(sentinels: usize) -> Self {
        Self::start_as(SentinelSetup {
            sentinels,
            ..SentinelSetup::default()
        })
        .await
    }

    /// Starts all servers, without persistence, and waits until every Sentinel knows the replicas and the
    /// other Sentinels.
    ///
    /// # Panics
    /// When `redis-server` is missing, or that takes more than thirty seconds.
    pub async fn start_as(setup: SentinelSetup<'_>) -> Self {
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
        let mut servers = vec![master];
        for further in setup.replicas {
            let arguments = [&plain[..], &["--replicaof", &address], further].concat();
            servers.push(RedisServer::start_with(&arguments).await);
        }
        // A Sentinel queries the primary for its replicas at its start and then every ten seconds only.
        eventually(TIME_LIMIT, async || {
            let info = servers[0].command(&["INFO", "replication"]).await;
            info.unwrap_or_default().matches("state=online").count() == setup.replicas.len()
        })
        .await;
        let configuration = configuration(&address, setup);
        let mut sentinels = Vec::new();
        for _ in 0..setup.sentinels {
            sentinels.push(RedisServer::launch(|| Launch::Sentinel(configuration.clone())).await);
        }
        let all = Self { servers, sentinels };
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

    /// The primary and the replicas, in the order of their start.
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
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
        let replicas = (self.servers.len() - 1).to_string();
        for sentinel in &self.sentinels {
            eventually(TIME_LIMIT, async || {
                let question = ["SENTINEL", "MASTER", Self::MASTER_NAME];
                let reply = sentinel.command(&question).await.unwrap_or_default();
                field(&reply, "num-slaves") == Some(&replicas)
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

fn configuration(master: &str, setup: SentinelSetup<'_>) -> String {
    let name = RedisSentinel::MASTER_NAME;
    let quorum = setup.sentinels / 2 + 1;
    let down_after = setup.down_after.as_millis();
    format!(
        "sentinel monitor {name} {master} {quorum}\n\
         sentinel down-after-milliseconds {name} {down_after}\n\
         sentinel failover-timeout {name} 3000\n"
    )
}
