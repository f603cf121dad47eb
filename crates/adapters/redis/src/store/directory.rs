//! Which node takes the writes of a slot now.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::connector::{Connector, Node};
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
        let owner = |topology: &Topology| topology.owner(slot).cloned();
        self.find(&seeds, owner)
            .await?
            .map(Node::At)
            .ok_or_else(|| Fault::Transient(format!("no node serves slot {slot}")))
    }

    /// The nodes that take writes, at least one; on a cluster that is not whole the others serve.
    pub(super) async fn nodes(&self) -> Result<Vec<Node>, Fault> {
        let Some(seeds) = self.connector.seeds() else {
            return Ok(vec![Node::Primary]);
        };
        Ok(nodes(&*self.topology(&seeds).await?))
    }

    /// Every node that takes writes, with the number of its [`keys::probe`](crate::keys::probe); an
    /// error while some slot has no owner.
    pub(super) async fn all_nodes(&self) -> Result<Vec<(Node, u32)>, Fault> {
        let Some(seeds) = self.connector.seeds() else {
            return Ok(vec![(Node::Primary, 0)]);
        };
        let whole = |topology: &Topology| topology.is_complete().then(|| topology.tags());
        let tags = self
            .find(&seeds, whole)
            .await?
            .ok_or_else(|| Fault::Transient("no node serves some of the slots".to_owned()))?;
        let tagged = |(address, tag)| (Node::At(address), tag);
        Ok(tags.into_iter().map(tagged).collect())
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

    /// What `look` sees in what is known, or else, unless that is brand-new, in what is so now: a
    /// cluster is not whole while it is set up.
    async fn find<T>(
        &self,
        seeds: &[Node],
        look: impl Fn(&Topology) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        if let Some(found) = look(&*self.topology(seeds).await?) {
            return Ok(Some(found));
        }
        self.doubt().await;
        Ok(look(&*self.topology(seeds).await?))
    }

    async fn topology(&self, seeds: &[Node]) -> Result<Arc<Topology>, Fault> {
        // Held while asking, so that many callers ask once.
        let mut known = self.known.lock().await;
        if known.asked.is_none() {
            let mut candidates = seeds.to_vec();
            candidates.extend(nodes(&known.topology));
            candidates.sort();
            candidates.dedup();
            *known = Known {
                topology: Arc::new(self.ask_all(&candidates).await?),
                asked: Some(Instant::now()),
            };
        }
        Ok(Arc::clone(&known.topology))
    }

    /// The first answer that knows an owner of every slot, or else the one that knows the most.
    async fn ask_all(&self, candidates: &[Node]) -> Result<Topology, Fault> {
        let asked = candidates.iter().map(|node| self.ask(node).boxed());
        let mut answers: FuturesUnordered<_> = asked.collect();
        let mut best = Err(Fault::Transient("the cluster has no nodes".to_owned()));
        while let Some(answer) = answers.next().await {
            let covered =
                |answer: &Result<Topology, _>| answer.as_ref().map_or(0, Topology::covered);
            if best.is_err() || covered(&answer) > covered(&best) {
                best = answer;
            }
            if best.as_ref().is_ok_and(Topology::is_complete) {
                break;
            }
        }
        best
    }

    async fn ask(&self, node: &Node) -> Result<Topology, Fault> {
        let mut connection = self.connector.open(node).await?;
        let answer = Topology::command().query_async(&mut connection).await;
        let asked = match node {
            Node::At(address) => Some(&*address.host),
            Node::Primary => None,
        };
        let topology = answer
            .and_then(|answer| Topology::parse(&answer, asked))
            .map_err(|error| Fault::of(&error))?;
        if topology.covered() == 0 {
            // It was reset, or has not met the others yet.
            return Err(Fault::Transient("a node knows of no slots".to_owned()));
        }
        Ok(topology)
    }
}

fn nodes(topology: &Topology) -> Vec<Node> {
    topology.primaries().into_iter().map(Node::At).collect()
}
