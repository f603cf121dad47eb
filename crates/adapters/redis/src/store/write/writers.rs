//! The writer tasks, each started with its first write: one per node for the threads that serve requests, on one of
//! them (`docs/decisions/0020-writer-beside-requests.md`), and one per node for all other callers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use posthorn_application::GroupWait;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::command::Write;
use super::job::{WriteError, WriteJob, Written};
use super::writer::WriterTask;
use crate::call_span::{call_span, in_span};
use crate::cluster::connection::ManagedConnection;
use crate::cluster::directory::SlotDirectory;
use crate::cluster::sessions::{ATTEMPTS, MAX_NODES};
use crate::deployment::connector::{Connector, Node};
use crate::failure::RedisFailure;
use crate::keys;
use crate::mutex::lock;
use crate::store::settings::RedisStoreSettings;

/// The most queued writes of one node. Further callers wait in `send`, within their time limit.
const QUEUE_CAPACITY: usize = 1024;

/// Routes each write to the task of the node that owns its slot.
pub(crate) struct Writers {
    connector: Arc<Connector>,
    directory: Arc<SlotDirectory>,
    settings: RedisStoreSettings,
    running: Mutex<RunningWriters>,
}

#[derive(Default)]
struct RunningWriters {
    /// Those of callers on threads that serve requests.
    beside_requests: WriterTasks,
    others: WriterTasks,
    /// The runtime for writers from now on; `None` for that of the first caller.
    runtime: Option<Handle>,
    closed: bool,
}

#[derive(Default)]
struct WriterTasks {
    queues: HashMap<Node, mpsc::Sender<WriteJob>>,
    tasks: JoinSet<()>,
}

impl Writers {
    /// No task runs yet.
    pub(crate) fn new(
        connector: Arc<Connector>,
        directory: Arc<SlotDirectory>,
        settings: RedisStoreSettings,
    ) -> Self {
        Self {
            connector,
            directory,
            settings,
            running: Mutex::default(),
        }
    }

    /// Writes to the owner of `slot`, and follows the slot if it moves. The caller sets a time limit
    /// and may drop the future.
    pub(crate) async fn write(&self, slot: u16, mut write: Write) -> Result<Written, RedisFailure> {
        let mut last = RedisFailure::Transient("the slot keeps moving".to_owned());
        let mut ask_node = None;
        for _ in 0..ATTEMPTS {
            let asking = ask_node.is_some();
            let node = match ask_node.take() {
                Some(node) => node,
                None => self.directory.node(slot).await?,
            };
            // Only a write that was certainly not executed is attempted again.
            let span = call_span(|| write.operation(), || self.connector.called(&node));
            match in_span(span, self.write_to(&node, write, asking)).await {
                Ok(written) => return Ok(written),
                Err(WriteError::Failed(failure)) => return Err(failure),
                Err(WriteError::WrongNode(returned, failure)) => {
                    self.directory.invalidate().await;
                    (write, last) = (returned, failure);
                }
                Err(WriteError::Ask(returned, node, failure)) => {
                    ask_node = Some(Node::Address(node));
                    (write, last) = (returned, failure);
                }
            }
        }
        Err(last)
    }

    /// Checks that every node accepts writes, without storing anything.
    pub(crate) async fn probe(&self) -> Result<(), RedisFailure> {
        for (_, tag) in self.directory.all_nodes().await? {
            let written = self.write(keys::probe_slot(tag), Write::Probe(tag));
            written.await?;
        }
        Ok(())
    }

    /// Has all further writers run on the runtime of the caller, and waits for the queued writes of those that run on
    /// the threads of requests: what runs there ends with the thread.
    pub(crate) async fn leave_request_threads(&self) {
        let mut left = {
            let mut running = lock(&self.running);
            running.runtime = Some(Handle::current());
            std::mem::take(&mut running.beside_requests)
        };
        left.end().await;
    }

    /// Rejects further writes and waits, at most for `bound`, for the queued ones.
    pub(crate) async fn close(&self, bound: Duration) {
        let (mut beside_requests, mut others) = {
            let mut running = lock(&self.running);
            running.closed = true;
            (
                std::mem::take(&mut running.beside_requests),
                std::mem::take(&mut running.others),
            )
        };
        let end = async { tokio::join!(beside_requests.end(), others.end()) };
        if timeout(bound, end).await.is_err() {
            tracing::warn!(
                "abandoned writes that Redis did not acknowledge before the store closed"
            );
        }
    }

    async fn write_to(
        &self,
        node: &Node,
        write: Write,
        asking: bool,
    ) -> Result<Written, WriteError> {
        let closed =
            || WriteError::Failed(RedisFailure::Transient("the store is closed".to_owned()));
        let queue = self.queue(node).ok_or_else(closed)?;
        let (reply, outcome) = oneshot::channel();
        let job = WriteJob {
            write,
            asking,
            reply,
        };
        queue.send(job).await.map_err(|_| closed())?;
        // The task ends when every sender is dropped: a waiting caller must not keep one.
        drop(queue);
        let outcome = GroupWait::new(outcome).await.map_err(|_| closed())?;
        if let Err(WriteError::Failed(RedisFailure::Transient(_))) = &outcome {
            self.directory.invalidate_if_stale().await;
        }
        outcome
    }

    fn queue(&self, node: &Node) -> Option<mpsc::Sender<WriteJob>> {
        let mut running = lock(&self.running);
        if running.closed {
            return None;
        }
        let runtime = running.runtime.clone();
        let running = if runtime.is_none() && serves_requests(&Handle::current()) {
            &mut running.beside_requests
        } else {
            &mut running.others
        };
        // A closed queue is of a task that panicked, or whose thread ended: another one replaces it.
        if let Some(queue) = running.queues.get(node)
            && !queue.is_closed()
        {
            return Some(queue.clone());
        }
        // Some of the nodes must be gone. The tasks of the others restart with their next write.
        if running.queues.len() >= MAX_NODES {
            running.queues.clear();
        }
        while running.tasks.try_join_next().is_some() {}
        let connector = Arc::clone(&self.connector);
        let command_timeout = self.settings.redis.command_timeout;
        let connection = ManagedConnection::new(connector, node.clone(), command_timeout);
        let (queue, jobs) = mpsc::channel(QUEUE_CAPACITY);
        let writer = WriterTask::new(connection, &self.settings).run(jobs);
        let runtime = runtime.unwrap_or_else(Handle::current);
        running.tasks.spawn_on(writer, &runtime);
        running.queues.insert(node.clone(), queue.clone());
        Some(queue)
    }
}

impl WriterTasks {
    /// Waits until the queued writes are written.
    async fn end(&mut self) {
        self.queues.clear();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// True for the runtime of a thread that serves requests: it has that thread alone.
fn serves_requests(runtime: &Handle) -> bool {
    runtime.runtime_flavor() != RuntimeFlavor::MultiThread
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    #[tokio::test]
    async fn a_writer_task_that_panicked_is_replaced() {
        let settings = RedisStoreSettings::new(SecretString::from("redis://127.0.0.1:1"));
        let connector = Arc::new(Connector::new(&settings.redis, Duration::ZERO).unwrap());
        let directory = Arc::new(SlotDirectory::new(Arc::clone(&connector)));
        let writers = Writers::new(connector, directory, settings);
        let (dead, _) = mpsc::channel(1);
        let mut running = lock(&writers.running);
        running.beside_requests.queues.insert(Node::Primary, dead);
        drop(running);
        assert!(!writers.queue(&Node::Primary).unwrap().is_closed());
    }
}
