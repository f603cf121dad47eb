//! The messages of one topic.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::ops::Bound;
use std::sync::Arc;

use posthorn_application::{Anchor, ByteBudget, Page, PageRequest};
use posthorn_domain::{Message, MessageId, Timestamp};

/// Messages by id. Every operation is O(log n), plus the length of a page.
pub(super) struct TopicLog {
    messages: BTreeMap<MessageId, Arc<Message>>,
    /// The messages that were accepted earlier than the times in their ids, by that time.
    redated: BTreeSet<(Timestamp, MessageId)>,
    /// The greatest id that retention removed; the least id if it removed none.
    pub(super) pruned: MessageId,
}

impl TopicLog {
    /// An empty log of a topic from which retention removed messages up to `pruned`.
    pub(super) fn new(pruned: MessageId) -> Self {
        Self {
            messages: BTreeMap::new(),
            redated: BTreeSet::new(),
            pruned,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn first(&self) -> Option<MessageId> {
        self.messages.first_key_value().map(|(id, _)| *id)
    }

    pub(super) fn last(&self) -> Option<MessageId> {
        self.messages.last_key_value().map(|(id, _)| *id)
    }

    pub(super) fn get(&self, id: MessageId) -> Option<&Arc<Message>> {
        self.messages.get(&id)
    }

    pub(super) fn insert(&mut self, message: Arc<Message>) {
        if message.processed_at < message.id.timestamp() {
            self.redated.insert((message.processed_at, message.id));
        }
        self.messages.insert(message.id, message);
    }

    pub(super) fn remove(&mut self, id: MessageId) -> Option<Arc<Message>> {
        let message = self.messages.remove(&id)?;
        self.redated.remove(&(message.processed_at, id));
        Some(message)
    }

    /// The messages after `id`, oldest first.
    pub(super) fn newer_than(&self, id: MessageId) -> impl Iterator<Item = &Arc<Message>> {
        let after = (Bound::Excluded(id), Bound::Unbounded);
        self.messages.range(after).map(|(_, message)| message)
    }

    /// The ids before `id`, oldest first.
    pub(super) fn older_than(&self, id: MessageId) -> impl Iterator<Item = MessageId> {
        self.messages.range(..id).map(|(id, _)| *id)
    }

    /// The last message up to `id`.
    pub(super) fn last_to(&self, id: MessageId) -> Option<MessageId> {
        self.messages.range(..=id).next_back().map(|(id, _)| *id)
    }

    /// The messages at or after `id`, oldest first.
    pub(super) fn newer_than_or_at(&self, id: MessageId) -> impl Iterator<Item = &Arc<Message>> {
        self.messages.range(id..).map(|(_, message)| message)
    }

    /// The number of messages at or before `id`; O(n) in it.
    pub(super) fn count_to(&self, id: MessageId) -> usize {
        self.messages.range(..=id).count()
    }

    /// Removes the oldest message as retention does.
    pub(super) fn prune_first(&mut self) -> Option<Arc<Message>> {
        let (id, message) = self.messages.pop_first()?;
        self.redated.remove(&(message.processed_at, id));
        self.pruned = id;
        Some(message)
    }

    /// The number of messages up to the last one that was accepted before `moment`, at most `limit`.
    pub(super) fn count_before(&self, moment: Timestamp, limit: usize) -> usize {
        let redated = self.redated.range(..(moment, MessageId::MIN)).next_back();
        let end = redated.map(|(_, id)| id.after(1));
        let end = end.max(Some(MessageId::new(moment, 0)));
        let messages = end.map(|end| self.messages.range(..end));
        messages.map_or(0, |messages| messages.take(limit).count())
    }

    pub(super) fn page(&self, PageRequest { anchor, limit }: PageRequest) -> Page {
        let limit = limit.get();
        let page = match anchor {
            Anchor::Oldest => self.page_from(Bound::Unbounded, limit),
            Anchor::Newest => self.page_to(Bound::Unbounded, limit),
            Anchor::Before(id) => Page {
                has_newer: self.last().is_some_and(|last| last >= id),
                ..self.page_to(Bound::Excluded(id), limit)
            },
            Anchor::After(id) | Anchor::Since(id) => Page {
                has_older: self.first().is_some_and(|first| first <= id),
                truncated: self.pruned > id,
                ..self.page_from(Bound::Excluded(id), limit)
            },
        };
        Page {
            pruned: (self.pruned > MessageId::MIN).then_some(self.pruned),
            ..page
        }
    }

    fn page_from(&self, start: Bound<MessageId>, limit: usize) -> Page {
        let mut rest = self
            .messages
            .range((start, Bound::Unbounded))
            .map(|(_, message)| message)
            .peekable();
        let messages = take_fitting(&mut rest, limit);
        Page {
            messages,
            has_newer: rest.next().is_some(),
            ..Page::default()
        }
    }

    fn page_to(&self, end: Bound<MessageId>, limit: usize) -> Page {
        let mut rest = self
            .messages
            .range((Bound::Unbounded, end))
            .map(|(_, message)| message)
            .rev()
            .peekable();
        let mut messages = take_fitting(&mut rest, limit);
        messages.reverse();
        Page {
            messages,
            has_older: rest.next().is_some(),
            ..Page::default()
        }
    }

    #[cfg(test)]
    pub(super) fn messages(&self) -> impl Iterator<Item = &Arc<Message>> {
        self.messages.values()
    }
}

/// The next messages up to `limit`, as far as their bytes allow.
fn take_fitting<'a>(
    rest: &mut Peekable<impl Iterator<Item = &'a Arc<Message>>>,
    limit: usize,
) -> Vec<Arc<Message>> {
    let mut budget = ByteBudget::default();
    let fitting = std::iter::from_fn(|| rest.next_if(|message| budget.admits(message)));
    fitting.take(limit).cloned().collect()
}
