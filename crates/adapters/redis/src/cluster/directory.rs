//! The directory of slots: which node accepts the writes of a slot.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::slots::Topology;
use crate::deployment::connector::{Connector, Node};
use crate::failure::RedisFailure;

/// The shortest time between two refreshes because of a node that does not reply. Without it every
/// call would refresh while a node is down.
const MIN_REFRESH_INTERVAL: Duration = Duration::from_millis(100);

/// The topology of the cluster, remembered until it is invalidated.
///
/// The cluster connection of redis-rs has one, too, but repeats commands after a lost connection, and
/// a repeated `XADD` would store a message twice.
pub(crate) struct SlotDirectory {
    connector: Arc<Connector>,
    cached: Mutex<CachedTopology>,
}

#[derive(Default)]
struct CachedTopology {
    topology: Arc<Topology>,
    /// The time of the last refresh; `None` if the topology is invalid.
    refreshed: Option<Instant>,
}

impl SlotDirectory {
    /// A directory that queries the nodes with its first use.
    pub(crate) fn new(connector: Arc<Connector>) -> Self {
        Self {
            connector,
            cached: Mutex::default(),
        }
    }

    /// The node that owns `slot`.
    pub(crate) async fn node(&self, slot: u16) -> Result<Node, RedisFailure> {
        let Some(seeds) = self.connector.seeds() else {
            return Ok(Node::Primary);
        };
        let owner = |topology: &Topology| topology.owner(slot).cloned();
        self.find(&seeds, owner)
            .await?
            .map(Node::Address)
            .ok_or_else(|| RedisFailure::Transient(format!("no node serves slot {slot}")))
    }

    /// The primaries, at least one. Some slots may have no owner.
    pub(crate) async fn nodes(&self) -> Result<Vec<Node>, RedisFailure> {
        let Some(seeds) = self.connector.seeds() else {
            return Ok(vec![Node::Primary]);
        };
        Ok(nodes(&*self.topology(&seeds).await?))
    }

    /// Every primary with the number of its [`keys::probe`](crate::keys::probe).
    ///
    /// # Errors
    /// Also while some slot has no owner.
    pub(crate) async fn all_nodes(&self) -> Result<Vec<(Node, u32)>, RedisFailure> {
        let Some(seeds) = self.connector.seeds() else {
            return Ok(vec![(Node::Primary, 0)]);
        };
        let tags_if_complete =
            |topology: &Topology| topology.is_complete().then(|| topology.tags());
        let tags = self.find(&seeds, tags_if_complete).await?.ok_or_else(|| {
            RedisFailure::Transient("no node serves some of the slots".to_owned())
        })?;
        let tagged = |(address, tag)| (Node::Address(address), tag);
        Ok(tags.into_iter().map(tagged).collect())
    }

    /// Has the next lookup refresh the topology: a node replied that it is wrong.
    pub(crate) async fn invalidate(&self) {
        self.cached.lock().await.refreshed = None;
    }

    /// Has the next lookup refresh the topology if it is older than [`MIN_REFRESH_INTERVAL`]: a node
    /// does not reply, so a replica may have taken over.
    pub(crate) async fn invalidate_if_stale(&self) {
        let mut cached = self.cached.lock().await;
        cached.refreshed = cached
            .refreshed
            .filter(|refreshed| refreshed.elapsed() < MIN_REFRESH_INTERVAL);
    }

    /// Applies `lookup` to the cached topology and, if it finds nothing, to a refreshed one: some
    /// slots have no owner while a cluster is being set up.
    async fn find<T>(
        &self,
        seeds: &[Node],
        lookup: impl Fn(&Topology) -> Option<T>,
    ) -> Result<Option<T>, RedisFailure> {
        if let Some(found) = lookup(&*self.topology(seeds).await?) {
            return Ok(Some(found));
        }
        self.invalidate_if_stale().await;
        Ok(lookup(&*self.topology(seeds).await?))
    }

    async fn topology(&self, seeds: &[Node]) -> Result<Arc<Topology>, RedisFailure> {
        // The lock is held during the refresh, so that concurrent callers share one.
        let mut cached = self.cached.lock().await;
        if cached.refreshed.is_none() {
            // The configured nodes may all be gone, and the known ones may be of a cluster that was
            // replaced: query both.
            let mut candidates = seeds.to_vec();
            candidates.extend(nodes(&cached.topology));
            candidates.sort();
            candidates.dedup();
            *cached = CachedTopology {
                topology: Arc::new(self.query_all(&candidates).await?),
                refreshed: Some(Instant::now()),
            };
        }
        Ok(Arc::clone(&cached.topology))
    }

    /// The first reply in which every slot has an owner, else the one with the most owned slots.
    ///
    /// All candidates are queried at once, so that a hung one costs no time. A partial reply is
    /// accepted last only: a node that was just restarted or partitioned knows fewer slots.
    async fn query_all(&self, candidates: &[Node]) -> Result<Topology, RedisFailure> {
        let queries = candidates.iter().map(|node| self.query(node).boxed());
        let mut replies: FuturesUnordered<_> = queries.collect();
        let mut best = Err(RedisFailure::Transient(
            "the cluster has no nodes".to_owned(),
        ));
        while let Some(reply) = replies.next().await {
            let covered = |reply: &Result<Topology, _>| reply.as_ref().map_or(0, Topology::covered);
            if best.is_err() || covered(&reply) > covered(&best) {
                best = reply;
            }
            if best.as_ref().is_ok_and(Topology::is_complete) {
                break;
            }
        }
        best
    }

    async fn query(&self, node: &Node) -> Result<Topology, RedisFailure> {
        let mut connection = self.connector.open(node).await?;
        let reply = Topology::command().query_async(&mut connection).await;
        let replying_host = match node {
            Node::Address(address) => Some(&*address.host),
            Node::Primary => None,
        };
        let topology = reply
            .and_then(|reply| Topology::parse(&reply, replying_host))
            .map_err(|error| RedisFailure::from_error(&error))?;
        if topology.covered() == 0 {
            // The node was reset, or has not met the others yet.
            return Err(RedisFailure::Transient(
                "a node knows of no slots".to_owned(),
            ));
        }
        Ok(topology)
    }
}

fn nodes(topology: &Topology) -> Vec<Node> {
    topology
        .primaries()
        .into_iter()
        .map(Node::Address)
        .collect()
}
