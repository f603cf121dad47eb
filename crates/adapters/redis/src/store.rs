//! The message store on Redis Streams.
//!
//! [`write`] pipelines the appends of all callers, one task per primary. Everything else shares one
//! connection per primary ([`Sessions`]). One connection per process receives the announcements of
//! appends ([`read`]).

mod consumers;
mod fence;
mod read;
mod record;
mod retention;
mod scripts;
mod settings;
mod shared_keys;
mod startup;
mod time;
mod usage;
mod write;

use std::future::ready;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use posthorn_application::{
    Append, AppendBatch, AppendError, Appended, AppendedBatch, BulkDeletion, ConsumerNotifier,
    DamagedConsumers, MessageStore, Page, PageRequest, Pruned, RetentionPolicy, StoreError,
    StoreUsage, Subscription, TopicNotifier, TopicPage, TopicRequest, WebhookNotifier,
};
use posthorn_domain::{Durability, Message, MessageId, Timestamp, TokenId, Topic};
use tokio::time::{Instant, timeout};

use crate::cluster::directory::SlotDirectory;
use crate::cluster::sessions::{ATTEMPTS, Sessions};
use crate::deployment::connector::Connector;
use crate::failure::RedisFailure;
use crate::keys;
use fence::FencedTopics;
use read::listener::{Announcements, Listener};
use read::listening::Listening;
use read::pages;
use read::topics::{Indexed, TopicIndex};
use retention::{PrunePass, Pruner};
pub use settings::{RedisStoreError, RedisStoreSettings};
use shared_keys::SharedKeys;
use time::ServerTime;
use write::command::{Revocation, Write};
use write::job::Written;
use write::outcome::{appended, appended_batch};
use write::writers::Writers;

/// Messages in Redis: a stream per topic, whose entries have the ids of the messages.
///
/// Every operation is limited by [`RedisStore::bound`], except for `close`, which can take twice as
/// long, and `prune`, which is limited by [`RedisStore::PRUNE_BOUND`]. Dropping the store ends its
/// tasks and closes its connections.
pub struct RedisStore {
    connector: Arc<Connector>,
    sessions: Arc<Sessions>,
    writers: Writers,
    index: TopicIndex,
    consumer_topics: TopicIndex,
    shared: SharedKeys,
    fenced: FencedTopics,
    topic_notifier: Arc<TopicNotifier>,
    consumer_notifier: Arc<ConsumerNotifier>,
    damaged_consumers: DamagedConsumers,
    webhook_notifier: Arc<WebhookNotifier>,
    messages: Listening,
    webhooks: Listening,
    prune_pass: Mutex<PrunePass>,
    time: ServerTime,
    prefix: Arc<str>,
    durability: Durability,
    max_topics: u64,
    bound: Duration,
    closed: AtomicBool,
}

impl RedisStore {
    /// The time limit of a round of pruning.
    pub const PRUNE_BOUND: Duration = Duration::from_secs(30);

    /// Connects to every primary and checks it.
    ///
    /// # Errors
    /// If the settings are invalid, a primary cannot be used, or the required durability is not
    /// reached.
    pub async fn connect(settings: RedisStoreSettings) -> Result<Self, RedisStoreError> {
        let bound = settings.redis.connect_timeout + settings.write_bound();
        let connector = Arc::new(Connector::new(&settings.redis, bound)?);
        let directory = Arc::new(SlotDirectory::new(Arc::clone(&connector)));
        let durability = startup::check(&connector, &directory, &settings)
            .boxed()
            .await?;
        let (command_timeout, max_topics) = (settings.redis.command_timeout, settings.max_topics);
        let sessions = Arc::new(Sessions::new(
            Arc::clone(&connector),
            Arc::clone(&directory),
            command_timeout,
            bound,
        ));
        let prefix: Arc<str> = Arc::from(settings.redis.prefix.as_str());
        let topic_notifier = Arc::new(TopicNotifier::default());
        let consumer_notifier = Arc::new(ConsumerNotifier::default());
        let webhook_notifier = Arc::new(WebhookNotifier::default());
        let messages = Listener {
            kind: Announcements::Messages,
            connector: Arc::clone(&connector),
            directory: Arc::clone(&directory),
            sessions: Arc::clone(&sessions),
            topics: Arc::clone(&topic_notifier),
            consumers: Arc::clone(&consumer_notifier),
            webhooks: Arc::clone(&webhook_notifier),
            prefix: Arc::clone(&prefix),
            command_timeout,
        };
        let webhooks = Listener {
            kind: Announcements::Webhooks,
            ..messages.clone()
        };
        Ok(Self {
            index: TopicIndex::new(keys::topics(&prefix)),
            consumer_topics: TopicIndex::new(keys::consumer_topics(&prefix)),
            shared: SharedKeys::new(&prefix),
            fenced: FencedTopics::default(),
            writers: Writers::new(Arc::clone(&connector), directory, settings),
            connector,
            messages: Listening::new(messages),
            webhooks: Listening::new(webhooks),
            sessions,
            topic_notifier,
            consumer_notifier,
            damaged_consumers: DamagedConsumers::default(),
            webhook_notifier,
            prune_pass: Mutex::default(),
            time: ServerTime::new(),
            prefix,
            durability,
            max_topics,
            bound,
            closed: AtomicBool::new(false),
        })
    }

    /// The time limit of an operation: opening a connection, and a write with its replication.
    pub fn bound(&self) -> Duration {
        self.bound
    }

    fn check_open(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::Unavailable("the store is closed".to_owned()));
        }
        Ok(())
    }

    /// Limits the time of `operation`, which starts only while the store is open. Combinators hold it once, where an
    /// `async` function would hold it twice, and the futures of appends are moved often.
    fn bounded<'a, T: Send + 'a, E: From<StoreError> + Send + 'a>(
        &'a self,
        operation: impl Future<Output = Result<T, E>> + Send + 'a,
    ) -> impl Future<Output = Result<T, E>> + Send + 'a {
        let timed_out = |_| Err(StoreError::from(RedisFailure::timed_out("an operation")).into());
        match self.check_open() {
            Ok(()) => timeout(self.bound, operation)
                .map(move |outcome| outcome.unwrap_or_else(timed_out))
                .left_future(),
            Err(error) => ready(Err(error.into())).right_future(),
        }
    }

    /// Writes an append, and indexes its topic around that unless it is known to be indexed.
    async fn append_indexed<T>(
        &self,
        topic: &Topic,
        append: Write,
        parse: fn(Written) -> Result<T, AppendError>,
    ) -> Result<T, AppendError> {
        self.shared.check_last()?;
        // Step 1: index the topic, so that no stored message is in an unlisted topic.
        let before = self.connector.replacements();
        let known = self.index.is_indexed(topic, before);
        let mut is_retry = false;
        if !known {
            let admitted = self.index.admit(&self.sessions, topic, self.max_topics);
            let admitted = admitted.await;
            if let Err(RedisFailure::Corrupt(_)) = &admitted {
                // The check logs it and marks the store.
                let _ = self.shared.check(&self.sessions).await;
                self.shared.check_last()?;
            }
            if !admitted.map_err(StoreError::from)? {
                is_retry = self.is_key_used(topic, &append).await?;
                if !is_retry {
                    return Err(AppendError::TooManyTopics);
                }
            }
        }
        // Step 2: append.
        let written = self.writers.write(keys::topic_slot(topic), append).await;
        let appended = parse(written.map_err(StoreError::from)?)?;
        // Step 3: a retry stored nothing, so that the topic needs no place.
        if is_retry {
            return Ok(appended);
        }
        // Step 4: index the topic again. Pruning may have removed it as idle between the steps, or a
        // server that restarted between them may have lost it. The message is stored either way: a
        // failure leaves the topic to the next append.
        let indexed = Indexed {
            at: Instant::now(),
            replacements: self.connector.replacements(),
        };
        if (!known || indexed.replacements != before)
            && self.index.add(&self.sessions, topic).await.is_ok()
        {
            self.index.remember(topic.clone(), indexed);
        }
        Ok(appended)
    }

    /// True if the idempotency key of `append` was used for an earlier one.
    async fn is_key_used(&self, topic: &Topic, append: &Write) -> Result<bool, StoreError> {
        let Some(key) = append.idempotency_key() else {
            return Ok(false);
        };
        let mut exists = redis::cmd("EXISTS");
        exists.arg(keys::idempotency(&self.prefix, topic, key));
        let exists = self.sessions.query(keys::topic_slot(topic), &exists).await;
        Ok(exists?)
    }

    /// Fences the topic and reads a page.
    async fn page_fenced(&self, topic: &Topic, request: PageRequest) -> Result<Page, StoreError> {
        let (sessions, prefix) = (&self.sessions, &self.prefix);
        let mut attempts = 1;
        loop {
            let before = self.connector.replacements();
            self.fenced.fence(sessions, prefix, topic, before).await;
            let page = pages::page(sessions, prefix, topic, request).await?;
            // The server of a connection opened after the fence may have restarted: fence it again.
            if self.connector.replacements() == before || attempts == ATTEMPTS {
                return Ok(page);
            }
            attempts += 1;
        }
    }
}

impl RedisStore {
    /// Revokes a token for `ttl` milliseconds at least.
    pub(crate) async fn revoke(&self, id: &TokenId, ttl: u64) -> Result<(), RedisFailure> {
        let key = keys::denied(&self.prefix, id);
        let slot = keys::slot(&key);
        let write = self
            .writers
            .write(slot, Write::Revoke(Revocation { key, ttl }));
        let written = timeout(self.bound, write).await;
        let written = written.unwrap_or_else(|_| Err(RedisFailure::timed_out("a revocation")));
        written.map(drop)
    }

    /// True if the token is revoked.
    pub(crate) async fn is_revoked(&self, id: &TokenId) -> Result<bool, RedisFailure> {
        let key = keys::denied(&self.prefix, id);
        let slot = keys::slot(&key);
        self.sessions
            .query(slot, redis::cmd("EXISTS").arg(key))
            .await
    }
}

#[async_trait]
impl MessageStore for RedisStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let topic = append.message.topic.clone();
        let time = self.time.of_append(append.idempotency.is_some());
        let write = Write::Append(Box::new(append), time);
        let appended = self.bounded(self.append_indexed(&topic, write, appended));
        let appended = appended.await?;
        self.time.observe(appended.receipt.id);
        Ok(appended)
    }

    async fn append_batch(&self, append: AppendBatch) -> Result<AppendedBatch, AppendError> {
        let topic = append.topic.clone();
        let write = Write::Batch(Box::new(append), self.time.of_append(true));
        self.bounded(self.append_indexed(&topic, write, appended_batch))
            .await
    }

    async fn get(&self, topic: &Topic, id: MessageId) -> Result<Option<Arc<Message>>, StoreError> {
        self.bounded(pages::get(&self.sessions, &self.prefix, topic, id))
            .await
    }

    async fn page(&self, topic: &Topic, request: PageRequest) -> Result<Page, StoreError> {
        self.bounded(self.page_fenced(topic, request)).await
    }

    async fn delete(&self, topic: &Topic, id: MessageId) -> Result<bool, StoreError> {
        self.delete_message(topic, id).await
    }

    async fn delete_before(
        &self,
        topic: &Topic,
        before: MessageId,
        limit: usize,
    ) -> Result<BulkDeletion, StoreError> {
        self.delete_messages(topic, before, limit).await
    }

    async fn topics(&self, request: TopicRequest) -> Result<TopicPage, StoreError> {
        self.bounded(self.index.page(&self.sessions, &self.prefix, request))
            .await
    }

    async fn subscribe(&self, topic: &Topic) -> Result<Box<dyn Subscription>, StoreError> {
        self.bounded(self.messages.start()).await?;
        Ok(Box::new(self.topic_notifier.subscribe(topic)))
    }

    async fn prune(&self, policy: &RetentionPolicy, budget: usize) -> Result<Pruned, StoreError> {
        self.bounded(self.shared.check(&self.sessions)).await?;
        let pruner = Pruner {
            sessions: &self.sessions,
            index: &self.index,
            consumed: &self.consumer_topics,
            replacements: self.connector.replacements(),
            prefix: &self.prefix,
            pass: &self.prune_pass,
            time: &self.time,
        };
        timeout(Self::PRUNE_BOUND, pruner.round(policy, budget))
            .await
            .unwrap_or_else(|_| Err(RedisFailure::timed_out("pruning").into()))
    }

    async fn now(&self, topic: &Topic) -> Result<Timestamp, StoreError> {
        self.bounded(async {
            let time = redis::cmd("TIME");
            let slot = keys::topic_slot(topic);
            let (seconds, micros): (u64, u64) = self.sessions.query(slot, &time).await?;
            let millis = seconds.saturating_mul(1000).saturating_add(micros / 1000);
            Ok(Timestamp::from_millis(millis))
        })
        .await
    }

    async fn usage(&self) -> Result<StoreUsage, StoreError> {
        self.read_usage().await
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.bounded(async {
            self.writers.probe().await?;
            self.shared.check(&self.sessions).await
        })
        .await
    }

    fn durability(&self) -> Durability {
        self.durability
    }

    async fn leave_request_threads(&self) {
        self.writers.leave_request_threads().await;
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.writers.close(2 * self.bound).await;
        self.messages.stop();
        self.webhooks.stop();
        self.sessions.close();
        self.topic_notifier.close();
        self.consumer_notifier.close();
        self.webhook_notifier.close();
    }
}
