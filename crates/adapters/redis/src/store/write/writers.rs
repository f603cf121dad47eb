//! The writer tasks, one per node, each started with its first write. As soon as a thread that serves requests writes,
//! the task runs on that thread (`docs/decisions/0020-writer-beside-requests.md`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use posthorn_application::GroupWait;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{mpsc, oneshot, watch};
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
    writers: HashMap<Node, RunningWriter>,
    tasks: JoinSet<()>,
    /// The runtime of all writers from now on; `None` while they belong beside requests.
    runtime: Option<Handle>,
    closed: bool,
}

struct RunningWriter {
    queue: mpsc::Sender<WriteJob>,
    /// Closed at the end of the task.
    ended: watch::Receiver<()>,
    is_beside_requests: bool,
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

    /// Moves the writers that run on the threads of requests to the runtime of the caller, and waits for the writes that
    /// they have: what runs on such a thread ends with it. The caller may drop the future.
    pub(crate) async fn leave_request_threads(&self) {
        let left: Vec<_> = {
            let mut running = lock(&self.running);
            running.runtime = Some(Handle::current());
            let beside = running.writers.iter();
            let beside = beside.filter(|(_, writer)| writer.is_beside_requests);
            let beside: Vec<_> = beside
                .map(|(node, writer)| (node.clone(), writer.ended.clone()))
                .collect();
            for (node, _) in &beside {
                self.start(&mut running, node);
            }
            beside.into_iter().map(|(_, ended)| ended).collect()
        };
        for ended in left {
            wait_for_end(ended).await;
        }
    }

    /// Rejects further writes and waits, at most for `bound`, for the queued ones.
    pub(crate) async fn close(&self, bound: Duration) {
        let mut tasks = {
            let mut running = lock(&self.running);
            running.closed = true;
            running.writers.clear();
            std::mem::take(&mut running.tasks)
        };
        let drain = async { while tasks.join_next().await.is_some() {} };
        if timeout(bound, drain).await.is_err() {
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
        let moves = running.runtime.is_none() && serves_requests(&Handle::current());
        // A closed queue is of a task that panicked, or whose thread ended: another one replaces it.
        if let Some(writer) = running.writers.get(node)
            && !writer.queue.is_closed()
            && (writer.is_beside_requests || !moves)
        {
            return Some(writer.queue.clone());
        }
        // Some of the nodes must be gone. The tasks of the others restart with their next write.
        if running.writers.len() >= MAX_NODES {
            running.writers.clear();
        }
        Some(self.start(&mut running, node))
    }

    /// Starts a task for a node in place of the one that it has, which writes what is queued before.
    fn start(&self, running: &mut RunningWriters, node: &Node) -> mpsc::Sender<WriteJob> {
        while running.tasks.try_join_next().is_some() {}
        let connector = Arc::clone(&self.connector);
        let command_timeout = self.settings.redis.command_timeout;
        let connection = ManagedConnection::new(connector, node.clone(), command_timeout);
        let writer = WriterTask::new(connection, &self.settings);
        let (queue, jobs) = mpsc::channel(QUEUE_CAPACITY);
        let (end, ended) = watch::channel(());
        // Without its queue the other task ends after the last job.
        let before = running.writers.remove(node).map(|writer| writer.ended);
        let task = async move {
            if let Some(before) = before {
                wait_for_end(before).await;
            }
            writer.run(jobs).await;
            drop(end);
        };
        let runtime = running.runtime.clone().unwrap_or_else(Handle::current);
        running.tasks.spawn_on(task, &runtime);
        let writer = RunningWriter {
            queue: queue.clone(),
            ended,
            is_beside_requests: serves_requests(&runtime),
        };
        running.writers.insert(node.clone(), writer);
        queue
    }
}

/// Waits for the end of a task.
async fn wait_for_end(mut ended: watch::Receiver<()>) {
    // No value is sent: this is an error once the sender is dropped.
    let _ = ended.changed().await;
}

/// True for the runtime of a thread that serves requests: it has that thread alone.
fn serves_requests(runtime: &Handle) -> bool {
    runtime.runtime_flavor() != RuntimeFlavor::MultiThread
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    fn writers() -> Writers {
        let settings = RedisStoreSettings::new(SecretString::from("redis://127.0.0.1:1"));
        let connector = Arc::new(Connector::new(&settings.redis, Duration::ZERO).unwrap());
        let directory = Arc::new(SlotDirectory::new(Arc::clone(&connector)));
        Writers::new(connector, directory, settings)
    }

    #[tokio::test]
    async fn a_writer_task_that_panicked_is_replaced() {
        let writers = writers();
        let dead = RunningWriter {
            queue: mpsc::channel(1).0,
            ended: watch::channel(()).1,
            is_beside_requests: true,
        };
        let mut running = lock(&writers.running);
        running.writers.insert(Node::Primary, dead);
        drop(running);
        assert!(!writers.queue(&Node::Primary).unwrap().is_closed());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn all_callers_share_a_writer_which_moves_to_the_first_thread_of_requests() {
        let writers = Arc::new(writers());
        let first = writers.queue(&Node::Primary).unwrap();
        let on_thread = |writers: Arc<Writers>| {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().unwrap();
            let queue = runtime.block_on(async { writers.queue(&Node::Primary).unwrap() });
            (runtime, queue)
        };
        let start = || {
            std::thread::spawn({
                let writers = Arc::clone(&writers);
                move || on_thread(writers)
            })
        };
        let (runtime, beside) = start().join().unwrap();
        assert!(!beside.same_channel(&first));
        assert!(beside.same_channel(&writers.queue(&Node::Primary).unwrap()));
        let (other, same) = start().join().unwrap();
        assert!(same.same_channel(&beside));
        for runtime in [runtime, other] {
            runtime.shutdown_background();
        }
    }
}
