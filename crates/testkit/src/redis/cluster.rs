//! A Redis Cluster of three primaries.

use std::time::Duration;

use super::server::RedisServer;
use crate::eventually;

/// The time limit for the nodes to agree.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// The slots of each node: all 16384 in three parts.
const SLOTS: [(&str, &str); 3] = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];

/// Three Redis primaries that share the slots of a cluster.
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts the nodes, in memory only, and waits until each of them sees the whole cluster.
    ///
    /// # Panics
    /// When `redis-server` is missing, or the nodes do not agree within thirty seconds.
    pub async fn start() -> Self {
        Self::start_with(&["--save", "", "--appendonly", "no"]).await
    }

    /// As [`RedisCluster::start`], each node with these further arguments.
    ///
    /// # Panics
    /// When `redis-server` is missing, or the nodes do not agree within thirty seconds.
    pub async fn start_with(arguments: &[&str]) -> Self {
        let mut all = vec!["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
        all.extend(arguments);
        let mut nodes = Vec::new();
        for (first, last) in SLOTS {
            let node = RedisServer::start_with(&all).await;
            node.command(&["CLUSTER", "ADDSLOTSRANGE", first, last])
                .await
                .unwrap();
            nodes.push(node);
        }
        let cluster = Self { nodes };
        cluster.introduce().await;
        cluster.wait_until_ok().await;
        cluster
    }

    /// The URLs of the nodes: `redis://127.0.0.1:PORT`.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }

    /// The nodes.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// The nodes, to stop and start them.
    pub fn nodes_mut(&mut self) -> &mut [RedisServer] {
        &mut self.nodes
    }

    /// Waits until every node reports that all slots of the cluster have owners.
    ///
    /// # Panics
    /// When it takes more than thirty seconds.
    pub async fn wait_until_ok(&self) {
        for node in &self.nodes {
            eventually(TIME_LIMIT, async || {
                let info = node.command(&["CLUSTER", "INFO"]).await.unwrap_or_default();
                [
                    "cluster_state:ok",
                    "cluster_slots_ok:16384",
                    "cluster_known_nodes:3",
                ]
                .iter()
                .all(|wanted| info.lines().any(|line| line == *wanted))
            })
            .await;
        }
    }

    async fn introduce(&self) {
        let [first, others @ ..] = self.nodes.as_slice() else {
            return;
        };
        for other in others {
            let port = other.port().to_string();
            first
                .command(&["CLUSTER", "MEET", "127.0.0.1", &port])
                .await
                .unwrap();
        }
    }
}
