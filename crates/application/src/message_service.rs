//! Accepting messages and handing them back.

mod fingerprint;
mod follow;

use std::sync::Arc;
use std::time::Duration;

use posthorn_domain::{
    Attributes, IdempotencyKey, Message, MessageContent, MessageId, NewMessage, Topic,
};

pub use crate::message_service::follow::{Follow, FollowEvent};
use crate::{
    Append, AppendError, Appended, Idempotency, MessageStore, Page, PageLimit, PageRequest,
    StoreError, TopicPage, TopicRequest,
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
}

impl MessageService {
    /// Keeps messages in `store`; receipts name `pod`; keys are remembered for `idempotency_ttl`.
    pub fn new(store: Arc<dyn MessageStore>, pod: Arc<str>, idempotency_ttl: Duration) -> Self {
        Self {
            store,
            pod,
            idempotency_ttl,
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
        self.store.get(topic, id).await
    }

    /// A page of the messages of `topic`.
    pub async fn list(&self, topic: &Topic, request: PageRequest) -> Result<Page, StoreError> {
        self.store.page(topic, request).await
    }

    /// Removes the message `id` of `topic`; says whether it was held.
    pub async fn delete(&self, topic: &Topic, id: MessageId) -> Result<bool, StoreError> {
        self.store.delete(topic, id).await
    }

    /// A page of the topics that hold messages.
    pub async fn topics(&self, request: TopicRequest) -> Result<TopicPage, StoreError> {
        self.store.topics(request).await
    }

    /// As [`MessageService::topics`], of the topics that `is_visible` lets through alone: the page is
    /// as full as without, and gives nothing away of what lies between.
    pub async fn visible_topics(
        &self,
        request: TopicRequest,
        is_visible: impl Fn(&Topic) -> bool,
    ) -> Result<TopicPage, StoreError> {
        let limit = request.limit.get();
        let mut topics = Vec::new();
        let mut after = request.after;
        loop {
            let request = TopicRequest {
                after,
                limit: PageLimit::MAX,
            };
            let page = self.store.topics(request).await?;
            after = page.topics.last().map(|last| last.topic.clone());
            let visible = page.topics.into_iter();
            topics.extend(visible.filter(|summary| is_visible(&summary.topic)));
            // One more than fits tells that there are more.
            let has_more = topics.len() > limit;
            if has_more || !page.has_more || after.is_none() {
                topics.truncate(limit);
                return Ok(TopicPage { topics, has_more });
            }
        }
    }

    /// Follows `topic` from right after `after`, or from now on when `None`.
    pub async fn follow(
        &self,
        topic: Topic,
        after: Option<MessageId>,
    ) -> Result<Follow, StoreError> {
        Follow::start(Arc::clone(&self.store), topic, after).await
    }
}
