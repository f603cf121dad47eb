//! Which node takes the writes of a slot now.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::select_ok;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::connector::{Connector, Node};
use crate::fault::Fault;
use crate::slots::Topology;

/// How long what was just asked is believed although a node does not answer; a node that is down
/// would otherwise have everyone ask with every call.
const BELIEVED: Duration = Duration::from_millis(100);

/// Remembers who owns which slot until it is told that this has changed.
pub(super) struct Directory {
    connector: Arc<Connector>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    topology: Arc<Topology>,
    /// When it was asked for; `None` when it is not to be believed any more.
    asked: Option<Instant>,
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

    /// A node said that what is known is wrong: the next look asks anew.
    pub(super) async fn forget(&self) {
        self.known.lock().await.asked = None;
    }

    /// A node does not answer, so another one may have taken over.
    pub(super) async fn doubt(&self) {
        let mut known = self.known.lock().await;
        known.asked = known.asked.filter(|asked| asked.elapsed() < BELIEVED);
    }

    async fn topology(&self, seeds: Vec<Node>) -> Result<Arc<Topology>, Fault> {
        // Held while asking, so that many callers ask once.
        let mut known = self.known.lock().await;
        if known.asked.is_none() {
            let mut candidates = seeds;
            candidates.extend(known.topology.primaries().into_iter().map(Node::At));
            candidates.sort();
            candidates.dedup();
            let answers = candidates.iter().map(|node| self.ask(node).boxed());
            let (topology, _) = select_ok(answers).await?;
            *known = Known {
                topology: Arc::new(topology),
                asked: Some(Instant::now()),
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
