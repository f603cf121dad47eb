//! One writing task per node, started when it is needed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::directory::Directory;
use super::link::Link;
use super::session::ATTEMPTS;
use super::settings::RedisStoreSettings;
use super::writer::{Job, Work, WriteError, Writer, Written};
use crate::connector::{Connector, Node};
use crate::fault::Fault;
use crate::keys;

/// How many writes may wait for one node; more wait where they come from, within their bound.
const QUEUE: usize = 1024;

/// Hands writes to the task of the node that they belong to.
pub(super) struct Writers {
    connector: Arc<Connector>,
    directory: Arc<Directory>,
    settings: RedisStoreSettings,
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    queues: HashMap<Node, mpsc::Sender<Job>>,
    tasks: JoinSet<()>,
    closed: bool,
}

impl Writers {
    pub(super) fn new(
        connector: Arc<Connector>,
        directory: Arc<Directory>,
        settings: RedisStoreSettings,
    ) -> Self {
        Self {
            connector,
            directory,
            settings,
            running: Mutex::default(),
        }
    }

    /// Writes `work` to the owner of `slot`. Bounded by the caller, who may stop waiting.
    pub(super) async fn write(&self, slot: u16, mut work: Work) -> Result<Written, Fault> {
        let mut refused = Fault::Transient("the slot keeps moving".to_owned());
        let mut asked = None;
        for _ in 0..ATTEMPTS {
            let asking = asked.is_some();
            let node = match asked.take() {
                Some(node) => node,
                None => self.directory.node(slot).await?,
            };
            match self.write_to(&node, work, asking).await {
                Ok(written) => return Ok(written),
                Err(WriteError::Fault(fault)) => return Err(fault),
                Err(WriteError::Elsewhere(back, fault)) => {
                    self.directory.forget().await;
                    (work, refused) = (back, fault);
                }
                Err(WriteError::Ask(back, node, fault)) => {
                    asked = Some(Node::At(node));
                    (work, refused) = (back, fault);
                }
            }
        }
        Err(refused)
    }

    /// Tries a write at every node, without writing anything.
    pub(super) async fn probe(&self) -> Result<(), Fault> {
        for (_, tag) in self.directory.all_nodes().await? {
            let written = self.write(keys::probe_slot(tag), Work::Probe(tag));
            written.await?;
        }
        Ok(())
    }

    /// Takes no more writes, and waits until those that wait are answered, at most for `bound`.
    pub(super) async fn close(&self, bound: Duration) {
        let mut tasks = {
            let mut running = self.lock();
            running.closed = true;
            running.queues.clear();
            std::mem::take(&mut running.tasks)
        };
        let drain = async { while tasks.join_next().await.is_some() {} };
        if timeout(bound, drain).await.is_err() {
            tracing::warn!("gave up writes that Redis did not answer while the store was closed");
        }
    }

    async fn write_to(&self, node: &Node, work: Work, asking: bool) -> Result<Written, WriteError> {
        let gone = || WriteError::Fault(Fault::Transient("the store is closed".to_owned()));
        let queue = self.queue(node).ok_or_else(gone)?;
        let (reply, answer) = oneshot::channel();
        let job = Job {
            work,
            asking,
            reply,
        };
        queue.send(job).await.map_err(|_| gone())?;
        // Only the queue's owner may keep the task alive, so that closing ends it.
        drop(queue);
        let outcome = answer.await.map_err(|_| gone())?;
        if let Err(WriteError::Fault(Fault::Transient(_))) = &outcome {
            self.directory.doubt().await;
        }
        outcome
    }

    fn queue(&self, node: &Node) -> Option<mpsc::Sender<Job>> {
        let mut running = self.lock();
        if running.closed {
            return None;
        }
        // A task that is gone although its queue is here failed; the next one takes its place.
        if let Some(queue) = running.queues.get(node)
            && !queue.is_closed()
        {
            return Some(queue.clone());
        }
        // A node that is new may have replaced one that is gone: tasks of nodes that still serve
        // start again with their next write.
        if running.queues.len() >= Self::MAX_NODES {
            running.queues.clear();
        }
        while running.tasks.try_join_next().is_some() {}
        let connector = Arc::clone(&self.connector);
        let link = Link::new(connector, node.clone(), self.settings.redis.command_timeout);
        let (queue, jobs) = mpsc::channel(QUEUE);
        running
            .tasks
            .spawn(Writer::new(link, &self.settings).run(jobs));
        running.queues.insert(node.clone(), queue.clone());
        Some(queue)
    }

    /// More nodes than this are not served at a time; the largest cluster that Redis recommends
    /// has 1000.
    const MAX_NODES: usize = 1024;

    fn lock(&self) -> std::sync::MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    #[tokio::test]
    async fn a_writing_task_that_failed_is_replaced() {
        let settings = RedisStoreSettings::new(SecretString::from("redis://127.0.0.1:1"));
        let connector = Arc::new(Connector::new(&settings.redis, Duration::ZERO).unwrap());
        let directory = Arc::new(Directory::new(Arc::clone(&connector)));
        let writers = Writers::new(connector, directory, settings);
        let (failed, _) = mpsc::channel(1);
        writers.lock().queues.insert(Node::Primary, failed);
        assert!(!writers.queue(&Node::Primary).unwrap().is_closed());
    }
}
