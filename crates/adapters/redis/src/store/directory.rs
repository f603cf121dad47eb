//! Which node takes the writes of a slot now.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::select_ok;
use tokio::sync::Mutex;

use super::connector::{Connector, Node};
use crate::fault::Fault;
use crate::slots::Topology;

/// Remembers who owns which slot until it is told that this has changed.
pub(super) struct Directory {
    connector: Arc<Connector>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    topology: Arc<Topology>,
    current: bool,
}

impl Directory {
    pub(super) fn new(connector: Arc<Connector>) -> Self {
        Self {
            connector,
            known: Mutex::default(),
        }
    }

    /// The node that owns `slot`.
    pub(super) async fn node(&self, slot: u16) -> Result<Node, Fault> {
        let Some(seeds) = self.connector.seeds() else {
            return Ok(Node::Primary);
        };
        let topology = self.topology(seeds).await?;
        topology
            .owner(slot)
            .map(|address| Node::At(address.clone()))
            .ok_or_else(|| Fault::Transient(format!("no node serves slot {slot}")))
    }

    /// Every node that takes writes.
    pub(super) async fn nodes(&self) -> Result<Vec<Node>, Fault> {
        let Some(seeds) = self.connector.seeds() else {
            return Ok(vec![Node::Primary]);
        };
        Ok(self
            .topology(seeds)
            .await?
            .primaries()
            .into_iter()
            .map(Node::At)
            .collect())
    }

    /// What is known turned out to be wrong: the next look asks anew.
    pub(super) async fn forget(&self) {
        self.known.lock().await.current = false;
    }

    async fn topology(&self, seeds: Vec<Node>) -> Result<Arc<Topology>, Fault> {
        // Held while asking, so that many callers ask once.
        let mut known = self.known.lock().await;
        if !known.current {
            let mut candidates = seeds;
            candidates.extend(known.topology.primaries().into_iter().map(Node::At));
            candidates.sort();
            candidates.dedup();
            let answers = candidates.iter().map(|node| self.ask(node).boxed());
            let (topology, _) = select_ok(answers).await?;
            *known = Known {
                topology: Arc::new(topology),
                current: true,
            };
        }
        Ok(Arc::clone(&known.topology))
    }

    async fn ask(&self, node: &Node) -> Result<Topology, Fault> {
        let mut connection = self.connector.open(node).await?;
        let answer = Topology::command().query_async(&mut connection).await;
        let asked = match node {
            Node::At(address) => Some(&*address.host),
            Node::Primary => None,
        };
        answer
            .and_then(|answer| Topology::parse(&answer, asked))
            .map_err(|error| Fault::of(&error))
    }
}
