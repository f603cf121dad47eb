//! The ports over the threads of the writer and the readers.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use posthorn_application::{
    Append, AppendBatch, AppendError, Appended, AppendedBatch, BackendError, BulkDeletion, Clock,
    DamagedConsumers, GroupWait, GuardedClock, MessageStore, Page, PageRequest, Pruned,
    RetentionPolicy, RevocationList, StoreError, StoreUsage, Subscription, TopicPage, TopicRequest,
};
use posthorn_domain::{Durability, Message, MessageId, Timestamp, TokenId, Topic};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::call_span::{SqlCall, SqlCallError};
use crate::error::{OpenError, backend_error, closed, timed_out};
use crate::notifiers::Notifiers;
use crate::open::{self, open_reader, open_writer};
use crate::readers::Readers;
use crate::settings::EmbeddedStoreSettings;
use crate::sql::{health, read, revocations, seen_time, topics};

use crate::writer::StoreWriter;
use crate::writer::command::{Command, Reply};

const APPEND: SqlCall = SqlCall::new("INSERT", "messages");
const SELECT: SqlCall = SqlCall::new("SELECT", "messages");
const DELETE: SqlCall = SqlCall::new("DELETE", "messages");
const SELECT_TOPICS: SqlCall = SqlCall::new("SELECT", "topics");
const HEALTH: SqlCall = SqlCall::on("counters");
const REVOKE: SqlCall = SqlCall::new("INSERT", "denied_tokens");
const IS_REVOKED: SqlCall = SqlCall::new("SELECT", "denied_tokens");

/// Stores messages in one SQLite file, which this process owns.
///
/// Every operation is bounded by [`EmbeddedStoreSettings::timeout`].
pub struct EmbeddedStore {
    commands: mpsc::Sender<Command>,
    readers: Readers,
    notifiers: Notifiers,
    clock: Arc<GuardedClock>,
    /// The canonical path of the file.
    path: PathBuf,
    durability: Durability,
    timeout: Duration,
    failing: Arc<AtomicBool>,
    pub(crate) damaged_consumers: DamagedConsumers,
    closed: AtomicBool,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl EmbeddedStore {
    /// Opens the file and starts the threads. It blocks on file I/O.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(
        settings: &EmbeddedStoreSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let opened = open_writer(settings)?;
        let seen = seen_time::load(&opened.connection, clock.now());
        let seen = seen.map_err(|reason| OpenError::sqlite(&settings.path, reason))?;
        let guarded = Arc::new(GuardedClock::new(Arc::clone(&clock), seen));
        let connections = (0..settings.readers.max(1)).map(|_| open_reader(&opened.path));
        let connections = connections.collect::<Result<_, _>>()?;
        let notifiers = Notifiers::default();
        // Not healthy before the first write succeeds.
        let failing = Arc::new(AtomicBool::new(!opened.can_write));
        let durability = settings.durability;
        let (path, index) = (opened.path.clone(), opened.index.clone());
        let (commands, queued) = mpsc::channel(settings.queue.max(1));
        let writer = StoreWriter::new(
            opened,
            durability,
            (clock, Arc::clone(&guarded)),
            notifiers.clone(),
            Arc::clone(&failing),
        );
        let writer = writer.map_err(|reason| OpenError::Sqlite {
            path: settings.path.clone(),
            reason,
        })?;
        let writer = writer.start(queued).map_err(OpenError::Thread)?;
        let readers = Readers::start(connections, index.as_ref(), settings.queue.max(1))
            .map_err(OpenError::Thread)?;
        Ok(Self {
            commands,
            readers,
            notifiers,
            clock: guarded,
            path,
            durability,
            timeout: settings.timeout,
            failing,
            damaged_consumers: DamagedConsumers::default(),
            closed: AtomicBool::new(false),
            writer: Mutex::new(Some(writer)),
        })
    }

    /// Sends a command to the writer and waits for its outcome, within the time limit.
    pub(crate) async fn write<T, E: From<StoreError> + SqlCallError>(
        &self,
        call: SqlCall,
        command: impl FnOnce(Reply<T, E>) -> Command,
    ) -> Result<T, E> {
        call.traced(self.send(command)).await
    }

    async fn send<T, E: From<StoreError>>(
        &self,
        command: impl FnOnce(Reply<T, E>) -> Command,
    ) -> Result<T, E> {
        self.check_open()?;
        let (reply, outcome) = oneshot::channel();
        let call = async {
            match self.commands.try_send(command(reply)) {
                Ok(()) => {}
                Err(TrySendError::Full(command)) => {
                    let sent = self.commands.send(command).await;
                    sent.map_err(|_| closed())?;
                }
                Err(TrySendError::Closed(_)) => return Err(closed().into()),
            }
            GroupWait::new(outcome).await.map_err(|_| closed())?
        };
        timeout(self.timeout, call).await.unwrap_or_else(|_| {
            // The writer hangs or is overloaded: unhealthy until the next successful transaction.
            if !self.failing.swap(true, Ordering::AcqRel) {
                tracing::error!("the store does not write in time");
            }
            Err(timed_out().into())
        })
    }

    /// Runs `read` on one of the reading threads, within the time limit.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        call: SqlCall,
        read: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.check_open()?;
        let run = async {
            timeout(self.timeout, self.readers.run(read))
                .await
                .unwrap_or_else(|_| Err(timed_out()))
        };
        call.traced(run).await
    }

    pub(crate) fn notifiers(&self) -> &Notifiers {
        &self.notifiers
    }

    pub(crate) fn check_open(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Acquire) {
            Err(closed())
        } else {
            Ok(())
        }
    }

    fn take_threads(&self) -> Vec<JoinHandle<()>> {
        let mut threads = self.readers.take_threads();
        threads.extend(
            self.writer
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        threads
    }
}

#[async_trait]
impl MessageStore for EmbeddedStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.write(APPEND, |reply| Command::Append(append, reply))
            .await
    }

    async fn append_batch(&self, append: AppendBatch) -> Result<AppendedBatch, AppendError> {
        self.write(APPEND, |reply| {
            Command::AppendBatch(Box::new(append), reply)
        })
        .await
    }

    async fn get(&self, topic: &Topic, id: MessageId) -> Result<Option<Arc<Message>>, StoreError> {
        let topic = topic.clone();
        self.read(SELECT, move |connection| read::get(connection, &topic, id))
            .await
    }

    async fn page(&self, topic: &Topic, request: PageRequest) -> Result<Page, StoreError> {
        let topic = topic.clone();
        self.read(SELECT, move |connection| {
            read::page(connection, &topic, request)
        })
        .await
    }

    async fn delete(&self, topic: &Topic, id: MessageId) -> Result<bool, StoreError> {
        self.write(DELETE, |reply| Command::Delete(topic.clone(), id, reply))
            .await
    }

    async fn delete_before(
        &self,
        topic: &Topic,
        before: MessageId,
        limit: usize,
    ) -> Result<BulkDeletion, StoreError> {
        self.write(DELETE, |reply| {
            Command::DeleteBefore(topic.clone(), before, limit, reply)
        })
        .await
    }

    async fn topics(&self, request: TopicRequest) -> Result<TopicPage, StoreError> {
        self.read(SELECT_TOPICS, move |connection| {
            topics::page(connection, &request)
        })
        .await
    }

    async fn subscribe(&self, topic: &Topic) -> Result<Box<dyn Subscription>, StoreError> {
        let subscription = self.notifiers.topics.subscribe(topic);
        // Check after subscribing: closing either wakes this subscription or is visible here.
        self.check_open()?;
        Ok(Box::new(subscription))
    }

    async fn prune(&self, policy: &RetentionPolicy, budget: usize) -> Result<Pruned, StoreError> {
        self.write(DELETE, |reply| Command::Prune(*policy, budget, reply))
            .await
    }

    async fn now(&self, _: &Topic) -> Result<Timestamp, StoreError> {
        Ok(self.clock.bounds().latest)
    }

    async fn usage(&self) -> Result<StoreUsage, StoreError> {
        self.read(SELECT_TOPICS, topics::usage).await
    }

    /// Reads each table over a new connection. While the last write failed or timed out, it checks the writer before: so
    /// a store on a full disk becomes healthy once there is space.
    async fn health(&self) -> Result<(), StoreError> {
        if self.failing.load(Ordering::Acquire) {
            self.write(HEALTH, Command::Probe).await?;
        }
        let path = self.path.clone();
        self.read(HEALTH, move |_| {
            health::check(&open::read_only(&path)?, &path)
        })
        .await
    }

    fn durability(&self) -> Durability {
        self.durability
    }

    async fn close(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        self.readers.close();
        let (done, closed) = oneshot::channel();
        if self.commands.send(Command::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
        let threads = self.take_threads();
        let join = move || threads.into_iter().for_each(|thread| drop(thread.join()));
        // The threads are about to end; joining them must not block the runtime.
        let _ = tokio::task::spawn_blocking(join).await;
    }
}

/// A table of the same file: a revocation is as durable as a message.
#[async_trait]
impl RevocationList for EmbeddedStore {
    async fn revoke(&self, id: &TokenId, until: Timestamp) -> Result<(), BackendError> {
        if until <= self.clock.bounds().earliest {
            return Ok(());
        }
        let outcome: Result<(), StoreError> = self
            .write(REVOKE, |reply| Command::Revoke(id.clone(), until, reply))
            .await;
        outcome.map_err(backend_error)
    }

    async fn is_revoked(&self, id: &TokenId) -> Result<bool, BackendError> {
        let (id, now) = (id.clone(), self.clock.bounds().earliest);
        let read = move |connection: &_| revocations::is_revoked(connection, &id, now);
        let outcome = self.read(IS_REVOKED, read);
        outcome.await.map_err(backend_error)
    }
}

impl Drop for EmbeddedStore {
    /// Lets the writer execute the queued commands and close in order, without waiting for it.
    fn drop(&mut self) {
        self.readers.close();
        drop(self.take_threads());
    }
}
