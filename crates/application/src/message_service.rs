//! Accepting messages and handing them back.

mod cached;
mod fingerprint;
mod listing;
mod topic_cursor;

use std::sync::Arc;
use std::time::Duration;

use posthorn_domain::{
    Attributes, IdempotencyKey, Message, MessageContent, MessageId, NewMessage, Topic,
};

use crate::message_service::cached::MessageCache;
pub use crate::message_service::listing::TopicListing;
pub use crate::message_service::topic_cursor::{CursorEvent, TopicCursor};
use crate::ports::cache::Cache;
use crate::ports::message_store::{
    Append, AppendError, Appended, Idempotency, MessageStore, Page, PageRequest, StoreError,
    TopicRequest,
};

/// Why a message was not accepted.
pub type SendError = AppendError;

/// A message to accept, every value already valid.
#[derive(Clone, Debug)]
pub struct SendMessage {
    /// Where it goes.
    pub topic: Topic,
    /// Its text.
    pub content: MessageContent,
    /// What else the sender said about it.
    pub attributes: Attributes,
    /// The client's key, if it wants retries to be recognised.
    pub idempotency_key: Option<IdempotencyKey>,
}

/// The use cases on messages, over a store.
pub struct MessageService {
    store: Arc<dyn MessageStore>,
    pod: Arc<str>,
    idempotency_ttl: Duration,
    cache: Option<MessageCache>,
}

impl MessageService {
    /// Keeps messages in `store`; receipts name `pod`; keys are remembered for `idempotency_ttl`.
    pub fn new(store: Arc<dyn MessageStore>, pod: Arc<str>, idempotency_ttl: Duration) -> Self {
        Self {
            store,
            pod,
            idempotency_ttl,
            cache: None,
        }
    }

    /// Reads single messages through `cache`, which must be this process's own, as deleting from
    /// the store must be: a message that was deleted here is never shown again, one that the store
    /// dropped by itself for up to five seconds.
    #[must_use]
    pub fn with_cache(self, cache: Arc<dyn Cache>) -> Self {
        Self {
            cache: Some(MessageCache::new(cache)),
            ..self
        }
    }

    /// Stores a message, or finds that it was stored before.
    ///
    /// # Errors
    /// As [`MessageStore::append`]: after an error other than a reused key the message may or may
    /// not be stored.
    pub async fn send(&self, send: SendMessage) -> Result<Appended, SendError> {
        let SendMessage {
            topic,
            content,
            attributes,
            idempotency_key,
        } = send;
        let message = NewMessage {
            topic,
            content,
            attributes,
        };
        let idempotency = idempotency_key.map(|key| Idempotency {
            key,
            fingerprint: fingerprint::of(&message),
            ttl: self.idempotency_ttl,
        });
        self.store
            .append(Append {
                message,
                pod: Arc::clone(&self.pod),
                idempotency,
            })
            .await
    }

    /// The message `id` of `topic`, if it is held.
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

    /// A page of the messages of `topic`.
    pub async fn list(&self, topic: &Topic, request: PageRequest) -> Result<Page, StoreError> {
        self.store.page(topic, request).await
    }

    /// Removes the message `id` of `topic`; says whether it was held.
    pub async fn delete(&self, topic: &Topic, id: MessageId) -> Result<bool, StoreError> {
        let deleted = self.store.delete(topic, id).await;
        if let Some(cache) = &self.cache {
            // Also after a failure, which may have deleted it.
            cache.deleted(id);
        }
        deleted
    }

    /// The topics that hold messages.
    pub async fn topics(&self, request: TopicRequest) -> Result<TopicListing, StoreError> {
        let page = self.store.topics(request).await?;
        let last = page.topics.last().filter(|_| page.has_more);
        let next = last.map(|last| last.topic.clone());
        let topics = page.topics;
        Ok(TopicListing { topics, next })
    }

    /// As [`MessageService::topics`], of the topics that `is_visible` lets through alone: the list is
    /// as full as without, and names nothing of what lies between. Where thousands of others lie
    /// between, it ends early and may be empty; `next` says where to go on.
    pub async fn visible_topics(
        &self,
        request: TopicRequest,
        is_visible: impl Fn(&Topic) -> bool,
    ) -> Result<TopicListing, StoreError> {
        listing::visible(&*self.store, request, is_visible).await
    }

    /// Follows `topic` from right after `after`, or from now on when `None`.
    pub async fn follow(
        &self,
        topic: Topic,
        after: Option<MessageId>,
    ) -> Result<TopicCursor, StoreError> {
        TopicCursor::start(Arc::clone(&self.store), topic, after).await
    }
}
