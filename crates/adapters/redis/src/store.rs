//! The message store on Redis Streams.
//!
//! Appends of all callers share pipelines, one writing task per primary ([`writer`]); everything
//! else shares one connection per primary ([`session`]); one connection per process hears of
//! appends ([`listener`]).

// On a cluster the store finds the owners of slots itself (`directory`): the client library's
// cluster connection repeats commands after a lost connection, and a repeated `XADD` would store a
// message twice.

mod check;
mod directory;
mod fences;
mod followers;
mod link;
mod listener;
mod pages;
mod prune;
mod record;
mod scripts;
mod session;
mod settings;
mod synced;
mod topics;
mod writer;
mod writers;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use posthorn_application::{
    Append, AppendError, Appended, MessageStore, Page, PageRequest, Pruned, RetentionPolicy,
    StoreError, Subscription, TopicPage, TopicRequest,
};
use posthorn_domain::{Durability, Message, MessageId, Topic};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::connector::Connector;
use crate::fault::Fault;
use crate::keys;
use directory::Directory;
use fences::Fences;
use followers::Followers;
use listener::Listener;
use prune::Pruner;
use session::{ATTEMPTS, Session};
pub use settings::{RedisStoreError, RedisStoreSettings};
use topics::{Added, TopicIndex};
use writer::Work;
use writers::Writers;

/// Messages in Redis: a stream per topic, whose entries' ids are the messages' ids.
///
/// Every operation is bounded by [`RedisStore::bound`], but for `close`, which may take twice as
/// long, and `prune`, which is bounded by [`RedisStore::PRUNE_BOUND`]. Dropping the store ends its
/// tasks and closes its connections.
pub struct RedisStore {
    connector: Arc<Connector>,
    session: Arc<Session>,
    writers: Writers,
    index: TopicIndex,
    fences: Fences,
    followers: Arc<Followers>,
    listening: Listening,
    prune_place: Mutex<Option<Topic>>,
    prefix: Arc<str>,
    durability: Durability,
    bound: Duration,
    closed: AtomicBool,
}

/// The listening task, which the first subscription starts.
struct Listening {
    waiting: Mutex<Option<Listener>>,
    task: Mutex<JoinSet<()>>,
    hears: watch::Receiver<bool>,
}

impl RedisStore {
    /// Connects to every primary and makes sure that the required durability can be reached.
    pub async fn connect(settings: RedisStoreSettings) -> Result<Self, RedisStoreError> {
        let bound = settings.redis.connect_timeout + settings.write_bound();
        let connector = Arc::new(Connector::new(&settings.redis, bound)?);
        let directory = Arc::new(Directory::new(Arc::clone(&connector)));
        let durability = check::check(&connector, &directory, &settings)
            .boxed()
            .await?;
        let command_timeout = settings.redis.command_timeout;
        let session = Arc::new(Session::new(
            Arc::clone(&connector),
            Arc::clone(&directory),
            command_timeout,
            bound,
        ));
        let prefix: Arc<str> = Arc::from(settings.redis.prefix.as_str());
        let followers = Arc::new(Followers::default());
        let (sender, hears) = watch::channel(false);
        let listener = Listener {
            connector: Arc::clone(&connector),
            directory: Arc::clone(&directory),
            session: Arc::clone(&session),
            followers: Arc::clone(&followers),
            prefix: Arc::clone(&prefix),
            command_timeout,
            hears: sender,
        };
        Ok(Self {
            index: TopicIndex::new(&prefix),
            fences: Fences::default(),
            writers: Writers::new(Arc::clone(&connector), directory, settings),
            connector,
            listening: Listening {
                waiting: Mutex::new(Some(listener)),
                task: Mutex::default(),
                hears,
            },
            session,
            followers,
            prune_place: Mutex::default(),
            prefix,
            durability,
            bound,
            closed: AtomicBool::new(false),
        })
    }

    /// The most time that a round of pruning takes.
    pub const PRUNE_BOUND: Duration = Duration::from_secs(30);

    /// The most time that an operation takes: opening a connection, and a write with its
    /// replication.
    pub fn bound(&self) -> Duration {
        self.bound
    }

    fn check_open(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::Unavailable("the store is closed".to_owned()));
        }
        Ok(())
    }

    async fn bounded<T, E: From<StoreError>>(
        &self,
        operation: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.check_open()?;
        timeout(self.bound, operation)
            .await
            .unwrap_or_else(|_| Err(StoreError::from(Fault::timed_out("an operation")).into()))
    }

    async fn append_now(&self, append: Append) -> Result<Appended, AppendError> {
        let topic = append.message.topic.clone();
        let before = self.connector.replacements();
        let known = self.index.is_known(&topic, before);
        if !known {
            self.index
                .add(&self.session, &topic)
                .await
                .map_err(StoreError::from)?;
        }
        let appended = self.write(keys::topic_slot(&topic), append).await?;
        let added = Added {
            at: Instant::now(),
            replacements: self.connector.replacements(),
        };
        // The message is stored either way; what is not remembered is added with the next one.
        if (!known || added.replacements != before)
            && self.index.add(&self.session, &topic).await.is_ok()
        {
            self.index.remember(topic, added);
        }
        Ok(appended)
    }

    async fn page_now(&self, topic: &Topic, request: PageRequest) -> Result<Page, StoreError> {
        let mut attempts = 1;
        loop {
            let before = self.connector.replacements();
            let fence = self
                .fences
                .fence(&self.session, &self.prefix, topic, before);
            fence.await;
            let page = pages::page(&self.session, &self.prefix, topic, request).await?;
            // Over a connection that was opened after the fence the server may be another.
            if self.connector.replacements() == before || attempts == ATTEMPTS {
                return Ok(page);
            }
            attempts += 1;
        }
    }

    async fn write(&self, slot: u16, append: Append) -> Result<Appended, AppendError> {
        let written = self
            .writers
            .write(slot, Work::Append(append))
            .await
            .map_err(StoreError::from)?;
        match written.work {
            Work::Append(append) => record::appended(append, written.durability, written.answer),
            Work::Probe(_) => Err(record::corrupt("a probe came back".to_owned()).into()),
        }
    }
}

impl Listening {
    /// Starts the task if need be, and waits until it hears.
    async fn hear(&self) -> Result<(), StoreError> {
        if let Some(listener) = lock(&self.waiting).take() {
            lock(&self.task).spawn(listener.run());
        }
        let gone = |_| StoreError::Unavailable("the store is closed".to_owned());
        self.hears
            .clone()
            .wait_for(|hears| *hears)
            .await
            .map(drop)
            .map_err(gone)
    }
}

#[async_trait]
impl MessageStore for RedisStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.bounded(self.append_now(append)).await
    }

    async fn get(&self, topic: &Topic, id: MessageId) -> Result<Option<Arc<Message>>, StoreError> {
        self.bounded(pages::get(&self.session, &self.prefix, topic, id))
            .await
    }

    async fn page(&self, topic: &Topic, request: PageRequest) -> Result<Page, StoreError> {
        self.bounded(self.page_now(topic, request)).await
    }

    async fn delete(&self, topic: &Topic, id: MessageId) -> Result<bool, StoreError> {
        self.bounded(pages::delete(&self.session, &self.prefix, topic, id))
            .await
    }

    async fn topics(&self, request: TopicRequest) -> Result<TopicPage, StoreError> {
        self.bounded(self.index.page(&self.session, &self.prefix, request))
            .await
    }

    async fn subscribe(&self, topic: &Topic) -> Result<Box<dyn Subscription>, StoreError> {
        self.bounded(self.listening.hear()).await?;
        Ok(Box::new(self.followers.follow(topic)))
    }

    async fn prune(&self, policy: &RetentionPolicy, budget: usize) -> Result<Pruned, StoreError> {
        self.check_open()?;
        let pruner = Pruner {
            session: &self.session,
            index: &self.index,
            prefix: &self.prefix,
            place: &self.prune_place,
        };
        timeout(Self::PRUNE_BOUND, pruner.round(policy, budget))
            .await
            .unwrap_or_else(|_| Err(Fault::timed_out("pruning").into()))
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.bounded(async { self.writers.probe().await.map_err(StoreError::from) })
            .await
    }

    fn durability(&self) -> Durability {
        self.durability
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.writers.close(2 * self.bound).await;
        lock(&self.listening.waiting).take();
        lock(&self.listening.task).abort_all();
        self.session.close();
        self.followers.wake_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
