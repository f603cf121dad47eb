//! A model of the store, simple enough to be correct, and the comparison of stores with it.

mod operations;
pub(crate) mod run;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    Anchor, AppendError, BulkDeletion, ByteBudget, Idempotency, Page, PageRequest, Pruned,
    RetentionPolicy, StoreUsage, TopicPage, TopicRequest, TopicSummary,
};
use posthorn_domain::{Fingerprint, IdempotencyKey, Message, MessageId, Receipt, Timestamp, Topic};

/// The state of a `MessageStore`, as a list per topic. It assigns no ids: the caller passes them.
#[derive(Debug, Default)]
pub(crate) struct StoreModel {
    topics: BTreeMap<Topic, StoredTopic>,
    /// The greatest id of all topics.
    newest: Option<MessageId>,
    keys: HashMap<(Topic, IdempotencyKey), StoredKey>,
}

#[derive(Debug, Default)]
struct StoredTopic {
    /// In the order of their ids.
    messages: Vec<Arc<Message>>,
    /// Every id that the topic gave.
    given: BTreeSet<MessageId>,
    /// The greatest id that retention removed.
    pruned: Option<MessageId>,
}

#[derive(Debug)]
struct StoredKey {
    fingerprint: Fingerprint,
    receipt: Receipt,
    /// On the scale of `Clock::monotonic`.
    expires: Duration,
}

impl StoreModel {
    /// The receipt of a retry; `None` if the key is new or has expired at `monotonic`.
    ///
    /// # Errors
    /// [`AppendError::KeyReused`] if the key was used for another message.
    pub(crate) fn replay(
        &self,
        topic: &Topic,
        idempotency: &Idempotency,
        monotonic: Duration,
    ) -> Result<Option<Receipt>, AppendError> {
        match self.keys.get(&(topic.clone(), idempotency.key.clone())) {
            Some(known) if known.expires <= monotonic => Ok(None),
            Some(known) if known.fingerprint == idempotency.fingerprint => {
                Ok(Some(known.receipt.clone()))
            }
            Some(_) => Err(AppendError::KeyReused),
            None => Ok(None),
        }
    }

    /// Stores a message, and the receipt under its key if there is one.
    ///
    /// # Panics
    /// If the id is not greater than every earlier id of the topic.
    pub(crate) fn record(
        &mut self,
        message: Arc<Message>,
        receipt: &Receipt,
        idempotency: Option<Idempotency>,
        monotonic: Duration,
    ) {
        if let Some(Idempotency {
            key,
            fingerprint,
            ttl,
        }) = idempotency
        {
            let expires = monotonic.saturating_add(ttl);
            let known = StoredKey {
                fingerprint,
                receipt: receipt.clone(),
                expires,
            };
            self.keys.insert((message.topic.clone(), key), known);
        }
        let topic = self.topics.entry(message.topic.clone()).or_default();
        let last = topic.messages.last().map(|last| last.id).max(topic.pruned);
        assert!(
            Some(message.id) > last,
            "{} is not greater than {last:?}",
            message.id
        );
        topic.given.insert(message.id);
        self.newest = self.newest.max(Some(message.id));
        topic.messages.push(message);
    }

    /// The message `id` of `topic`.
    pub(crate) fn get(&self, topic: &Topic, id: MessageId) -> Option<Arc<Message>> {
        self.messages(topic)
            .iter()
            .find(|message| message.id == id)
            .map(Arc::clone)
    }

    /// Removes the message `id` of `topic`; returns true if it existed.
    pub(crate) fn delete(&mut self, topic: &Topic, id: MessageId) -> bool {
        let Some(topic) = self.topics.get_mut(topic) else {
            return false;
        };
        let before = topic.messages.len();
        topic.messages.retain(|message| message.id != id);
        topic.messages.len() < before
    }

    /// Removes the oldest messages of `topic` before `before`, at most `limit`.
    pub(crate) fn delete_before(
        &mut self,
        topic: &Topic,
        before: MessageId,
        limit: usize,
    ) -> BulkDeletion {
        let messages = self.messages(topic).iter();
        let ids: Vec<_> = messages.map(|message| message.id).collect();
        let older: Vec<_> = ids.into_iter().filter(|id| *id < before).collect();
        let removed: Vec<_> = older.iter().take(limit).collect();
        for id in &removed {
            self.delete(topic, **id);
        }
        BulkDeletion {
            deleted: removed.len(),
            more: older.len() > limit,
        }
    }

    /// A page, as the contract defines it.
    pub(crate) fn page(&self, topic: &Topic, PageRequest { anchor, limit }: PageRequest) -> Page {
        let is_older = |message: &Arc<Message>| match anchor {
            Anchor::Oldest => false,
            Anchor::Newest => true,
            Anchor::After(id) | Anchor::Since(id) => message.id <= id,
            Anchor::Before(id) => message.id < id,
        };
        let (older, newer): (Vec<_>, Vec<_>) =
            self.messages(topic).iter().cloned().partition(is_older);
        let pruned = self.topics.get(topic).and_then(|topic| topic.pruned);
        let truncated = match anchor {
            Anchor::After(id) => pruned > Some(id) || id > self.newest.unwrap_or(MessageId::MIN),
            Anchor::Since(id) => pruned > Some(id),
            _ => false,
        };
        match anchor {
            Anchor::Oldest | Anchor::After(_) | Anchor::Since(_) => {
                let count = fitting(newer.iter(), limit.get());
                Page {
                    has_older: !older.is_empty(),
                    has_newer: newer.len() > count,
                    messages: newer.into_iter().take(count).collect(),
                    truncated,
                    pruned,
                    ..Page::default()
                }
            }
            Anchor::Newest | Anchor::Before(_) => {
                let first = older.len() - fitting(older.iter().rev(), limit.get());
                Page {
                    has_older: first > 0,
                    has_newer: !newer.is_empty(),
                    messages: older.into_iter().skip(first).collect(),
                    truncated,
                    pruned,
                    ..Page::default()
                }
            }
        }
    }

    /// True if the topic gave the id, or it is the least or the greatest one. Of another id a store need not know
    /// that it was never given.
    pub(crate) fn is_known(&self, topic: &Topic, id: MessageId) -> bool {
        let given = self.topics.get(topic);
        let was_given = given.is_some_and(|topic| topic.given.contains(&id));
        was_given || id == MessageId::MIN || id == MessageId::MAX
    }

    /// The topics with a message.
    pub(crate) fn topics(&self, request: &TopicRequest) -> TopicPage {
        let summaries = self.topics.iter().filter_map(|(topic, held)| {
            let (first, last) = (held.messages.first()?.id, held.messages.last()?.id);
            let count = u64::try_from(held.messages.len()).unwrap_or(u64::MAX);
            Some(TopicSummary {
                topic: topic.clone(),
                count,
                first,
                last,
            })
        });
        let mut topics: Vec<_> = summaries
            .filter(|summary| request.names.contains(&summary.topic))
            .collect();
        let has_more = topics.len() > request.limit.get();
        topics.truncate(request.limit.get());
        TopicPage { topics, has_more }
    }

    /// Removes at most `budget` messages outside `policy` at `now`.
    pub(crate) fn prune(
        &mut self,
        policy: &RetentionPolicy,
        now: Timestamp,
        budget: usize,
    ) -> Pruned {
        let oldest_kept = now.saturating_sub(policy.max_age);
        let max_count = usize::try_from(policy.max_count).unwrap_or(usize::MAX);
        let mut left = budget;
        let mut more = false;
        for topic in self.topics.values_mut() {
            let too_many = topic.messages.len().saturating_sub(max_count);
            // Every message before an expired one is expired.
            let last_old = topic
                .messages
                .iter()
                .rposition(|message| message.processed_at < oldest_kept);
            let too_old = last_old.map_or(0, |last| last + 1);
            let removed = too_many.max(too_old).min(left);
            more |= removed < too_many.max(too_old);
            left -= removed;
            if let Some(last) = topic.messages.drain(..removed).next_back() {
                topic.pruned = Some(last.id);
            }
        }
        Pruned {
            removed: u64::try_from(budget - left).unwrap_or(u64::MAX),
            more,
            id_lead: Duration::ZERO,
        }
    }

    /// The number of topics with a message.
    pub(crate) fn usage(&self) -> StoreUsage {
        let held = self
            .topics
            .values()
            .filter(|topic| !topic.messages.is_empty());
        StoreUsage {
            topics: u64::try_from(held.count()).unwrap_or(u64::MAX),
            bytes: None,
            identity: None,
        }
    }

    fn messages(&self, topic: &Topic) -> &[Arc<Message>] {
        self.topics.get(topic).map_or(&[], |topic| &topic.messages)
    }
}

/// The number of the first messages that fit a page of `limit`.
fn fitting<'a>(messages: impl Iterator<Item = &'a Arc<Message>>, limit: usize) -> usize {
    let mut budget = ByteBudget::default();
    messages
        .take(limit)
        .take_while(|message| budget.admits(message))
        .count()
}
