//! The use cases on messages: send, read, delete, follow.

mod fingerprint;
mod listing;
mod message_cache;
mod scoped_key;
mod tail;
mod topic_cursor;

use std::sync::Arc;
use std::time::Duration;

use posthorn_domain::{
    Attributes, Durability, IdempotencyKey, Message, MessageBatch, MessageContent, MessageId,
    NewMessage, Subject, Timestamp, Topic, TopicPattern, TraceParent,
};

use crate::ports::cache::Cache;
use crate::ports::clock::Clock;
use crate::ports::message_store::{
    Append, AppendBatch, AppendError, Appended, AppendedBatch, BulkDeletion, Idempotency,
    MessageStore, Page, PageLimit, PageRequest, StoreError, TopicRequest,
};
pub use listing::TopicListing;
pub use message_cache::CachedMessage;
use message_cache::MessageCache;
pub use tail::{FollowEvent, TopicFollower, TopicTails};

/// Why a message was not accepted.
pub type SendError = AppendError;

/// A message to accept; every value is valid already.
#[derive(Clone, Debug)]
pub struct SendMessage {
    /// The topic.
    pub topic: Topic,
    /// The text.
    pub content: MessageContent,
    /// The sender's attributes.
    pub attributes: Attributes,
    /// The sender's place in a trace, if it sent one.
    pub traceparent: Option<TraceParent>,
    /// The client's key, by which its retries are recognised.
    pub idempotency_key: Option<IdempotencyKey>,
    /// The sender that a token names: its keys are its own.
    pub sender: Option<Subject>,
}

/// A batch to accept; every value is valid already.
#[derive(Clone, Debug)]
pub struct SendBatch {
    /// The topic.
    pub topic: Topic,
    /// The messages.
    pub batch: MessageBatch,
    /// The client's key, by which its retries are recognised.
    pub idempotency_key: Option<IdempotencyKey>,
    /// The sender that a token names: its keys are its own.
    pub sender: Option<Subject>,
}

/// The use cases on messages, over a store.
pub struct MessageService {
    store: Arc<dyn MessageStore>,
    instance: Arc<str>,
    idempotency_ttl: Duration,
    cache: Option<MessageCache>,
}

impl MessageService {
    /// The most messages that one call of [`MessageService::delete_before`] removes.
    pub const MAX_DELETED: usize = 1_000;

    /// Stores messages in `store`. Receipts name `instance`; idempotency keys expire after
    /// `idempotency_ttl`.
    pub fn new(
        store: Arc<dyn MessageStore>,
        instance: Arc<str>,
        idempotency_ttl: Duration,
    ) -> Self {
        Self {
            store,
            instance,
            idempotency_ttl,
            cache: None,
        }
    }

    /// Reads single messages through `cache`. Only this process may use the cache and delete from
    /// the store: then a deleted message is never returned again, and a pruned one for at most five
    /// seconds.
    #[must_use]
    pub fn with_cache(self, cache: Arc<dyn Cache<CachedMessage>>) -> Self {
        Self {
            cache: Some(MessageCache::new(cache)),
            ..self
        }
    }

    /// Stores a message, or returns the receipt of the first attempt.
    ///
    /// # Errors
    /// As [`MessageStore::append`]: after an error other than a reused key the message may or may
    /// not be stored.
    pub async fn send(&self, send: SendMessage) -> Result<Appended, SendError> {
        let SendMessage {
            topic,
            content,
            attributes,
            traceparent,
            idempotency_key,
            sender,
        } = send;
        let message = NewMessage {
            topic,
            content,
            attributes,
            traceparent,
        };
        let idempotency = idempotency_key.map(|key| Idempotency {
            key: scoped_key::of(key, sender.as_ref()),
            fingerprint: fingerprint::of(&message),
            ttl: self.idempotency_ttl,
        });
        self.store
            .append(Append {
                message,
                instance: Arc::clone(&self.instance),
                idempotency,
            })
            .await
    }

    /// Stores all messages of a batch or none, or returns the receipts of the first attempt.
    ///
    /// # Errors
    /// As [`MessageService::send`], for the batch as a whole.
    pub async fn send_batch(&self, send: SendBatch) -> Result<AppendedBatch, SendError> {
        let SendBatch {
            topic,
            batch,
            idempotency_key,
            sender,
        } = send;
        let idempotency = idempotency_key.map(|key| Idempotency {
            key: scoped_key::of(key, sender.as_ref()),
            fingerprint: fingerprint::of_batch(&batch),
            ttl: self.idempotency_ttl,
        });
        self.store
            .append_batch(AppendBatch {
                topic,
                batch,
                instance: Arc::clone(&self.instance),
                idempotency,
            })
            .await
    }

    /// The durability of receipts in normal operation.
    pub fn durability(&self) -> Durability {
        self.store.durability()
    }

    /// The message `id` of `topic`, if the store has it.
    pub async fn get(
        &self,
        topic: &Topic,
        id: MessageId,
    ) -> Result<Option<Arc<Message>>, StoreError> {
        let Some(cache) = &self.cache else {
            return self.store.get(topic, id).await;
        };
        if let Some(message) = cache.get(topic, id).await {
            return Ok(Some(message));
        }
        let generation = cache.generation(id);
        let found = self.store.get(topic, id).await?;
        if let Some(message) = &found {
            cache.set(message, generation).await;
        }
        Ok(found)
    }

    /// The time by which the store dates a message of `topic` now.
    ///
    /// # Errors
    /// The store does not respond with it.
    pub async fn now(&self, topic: &Topic) -> Result<Timestamp, StoreError> {
        self.store.now(topic).await
    }

    /// A page of the messages of `topic`.
    pub async fn list(&self, topic: &Topic, request: PageRequest) -> Result<Page, StoreError> {
        self.store.page(topic, request).await
    }

    /// Removes the message `id` of `topic`; returns true if the store had it.
    pub async fn delete(&self, topic: &Topic, id: MessageId) -> Result<bool, StoreError> {
        let _guard = self.cache.as_ref().map(|cache| cache.deleting(Some(id)));
        self.store.delete(topic, id).await
    }

    /// Removes the oldest messages of `topic` before the id `before`, at most [`MessageService::MAX_DELETED`] of them.
    pub async fn delete_before(
        &self,
        topic: &Topic,
        before: MessageId,
    ) -> Result<BulkDeletion, StoreError> {
        let _guard = self.cache.as_ref().map(|cache| cache.deleting(None));
        let store = &self.store;
        store.delete_before(topic, before, Self::MAX_DELETED).await
    }

    /// The topics with a message, after the name `after`.
    pub async fn topics(
        &self,
        after: Option<&Topic>,
        limit: PageLimit,
    ) -> Result<TopicListing, StoreError> {
        let page = self.store.topics(TopicRequest::after(after, limit)).await?;
        let last = page.topics.last().filter(|_| page.has_more);
        let next = last.map(|last| last.topic.clone());
        let topics = page.topics;
        Ok(TopicListing { topics, next })
    }

    /// As [`MessageService::topics`], for the topics that match one of `patterns` only. The list is as long as without
    /// the patterns and reveals no other topic. Behind thousands of topics that begin as a pattern does and do not
    /// match it, it ends early and may be empty; `next` is the name to continue after.
    pub async fn matching_topics(
        &self,
        after: Option<&Topic>,
        limit: PageLimit,
        patterns: &[TopicPattern],
    ) -> Result<TopicListing, StoreError> {
        listing::matching(&*self.store, after, limit, patterns).await
    }

    /// The tails of followed topics, whose frames `encode` makes of at least one message each.
    pub fn tails<F: AsRef<[u8]> + Clone>(
        &self,
        clock: Arc<dyn Clock>,
        encode: fn(&[Arc<Message>]) -> F,
    ) -> TopicTails<F> {
        TopicTails::new(Arc::clone(&self.store), clock, encode)
    }
}
