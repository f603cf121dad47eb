//! One consumer: the lease engine over the messages of its topic.

use posthorn_application::{
    ConsumerCounts, DeadLetterPage, DeadLetterRequest, DeliveryState, Redriven,
};
use posthorn_domain::{Attempt, ConsumerSettings, MessageId, SettingsTag, Timestamp};

use super::dead_letters::DeadLetters;
use super::entries::{ConsumerEntry, EntrySet, EntryState, UnackedFate};
use super::webhook::HeldWebhook;
use crate::store::topic_log::TopicLog;

pub(crate) struct ConsumerState {
    pub(super) settings: ConsumerSettings,
    pub(super) tag: SettingsTag,
    /// Everything after it is new.
    pub(super) cursor: MessageId,
    /// The number of messages that the topic holds at or before the cursor.
    pub(super) behind: usize,
    pub(super) entries: EntrySet,
    pub(super) dead: DeadLetters,
    pub(super) missed: u64,
    pub(super) dead_dropped: u64,
    pub(super) last_pull_at: Option<Timestamp>,
    /// What it has beyond a consumer, if it is a webhook.
    pub(super) webhook: Option<Box<HeldWebhook>>,
}

/// The circumstances of one step: the topic, the store's time, and the store's bounds.
#[derive(Clone, Copy)]
pub(crate) struct ConsumerStep<'a> {
    pub(crate) log: &'a TopicLog,
    pub(crate) now: Timestamp,
    /// How many more entries the consumer may have.
    pub(crate) free_entries: usize,
}

/// How a message left the topic.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageRemoval {
    /// A client deleted it.
    Deleted,
    /// Retention removed it.
    Pruned,
}

impl ConsumerState {
    pub(crate) fn new(
        settings: ConsumerSettings,
        tag: SettingsTag,
        cursor: MessageId,
        log: &TopicLog,
    ) -> Self {
        Self {
            settings,
            tag,
            cursor,
            behind: log.count_to(cursor),
            entries: EntrySet::default(),
            dead: DeadLetters::default(),
            missed: 0,
            dead_dropped: 0,
            last_pull_at: None,
            webhook: None,
        }
    }

    pub(crate) fn entry_count(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn copy_bytes(&self) -> usize {
        self.dead.bytes()
    }

    pub(crate) fn has_dead_letters(&self) -> bool {
        self.dead.len() > 0
    }

    /// Removes the first dead letter, and counts it.
    pub(crate) fn drop_dead_letter(&mut self) {
        if let Some(dropped) = self.dead.take_first() {
            self.dead.drop_copy(&dropped.message);
            self.dead_dropped += 1;
        }
    }

    /// When the first lease ends or the first waiting entry is due.
    pub(crate) fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.entries.next_change(now)
    }

    /// Whether a pull could lease no new message, whatever the topic holds.
    pub(crate) fn is_at_limit(&self, step: ConsumerStep<'_>) -> bool {
        let max_in_flight = usize::from(self.settings.max_in_flight.get());
        step.free_entries == 0 || self.entries.leased() >= max_in_flight
    }

    pub(crate) fn last_pull_at(&self) -> Option<Timestamp> {
        self.last_pull_at
    }

    pub(crate) fn counts(&self, log: &TopicLog) -> ConsumerCounts {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        ConsumerCounts {
            waiting: count(log.len() - self.behind + self.entries.waiting()),
            in_flight: count(self.entries.leased()),
            dead: count(self.dead.len()),
            missed: self.missed,
            dead_dropped: self.dead_dropped,
        }
    }

    pub(crate) fn oldest_waiting(&self, log: &TopicLog) -> Option<MessageId> {
        let new = log.newer_than(self.cursor).next().map(|message| message.id);
        let both = new.into_iter().chain(self.entries.first_waiting());
        both.min()
    }

    /// The state of the message `id`; `None` if neither the topic nor this consumer has it.
    pub(crate) fn delivery(&self, id: MessageId, log: &TopicLog) -> Option<DeliveryState> {
        if let Some(entry) = self.entries.get(id) {
            return Some(entry.delivery());
        }
        let is_held = log.get(id).is_some();
        if is_held && id > self.cursor {
            return Some(DeliveryState::Waiting {
                attempt: Attempt::FIRST,
                due_at: None,
                reason: None,
            });
        }
        if let Some(letter) = self.dead.get(id) {
            return Some(DeliveryState::Dead {
                attempts: letter.attempts,
                reason: letter.reason.clone(),
                died_at: letter.died_at,
            });
        }
        is_held.then_some(DeliveryState::Settled)
    }

    pub(crate) fn seek(&mut self, cursor: MessageId, step: ConsumerStep<'_>) {
        for (id, mut entry) in self.entries.drain() {
            let fate = match entry.state {
                EntryState::Leased(lease) => lease.fate,
                EntryState::Waiting { .. } => UnackedFate::Retry,
            };
            let is_after = id > cursor;
            if is_after && fate == UnackedFate::Missed {
                self.missed += 1;
            }
            if is_after
                && fate == UnackedFate::Retry
                && entry.copy.is_some()
                && step.log.get(id).is_none()
            {
                let (attempt, due) = (Attempt::FIRST, step.now);
                entry.state = EntryState::Waiting { attempt, due };
                entry.reason = None;
                self.entries.insert(id, entry);
            } else {
                self.drop_entry(&entry);
            }
        }
        self.cursor = cursor;
        self.behind = step.log.count_to(cursor);
    }

    pub(crate) fn dead_letters(&self, request: DeadLetterRequest) -> DeadLetterPage {
        self.dead.page(request)
    }

    pub(crate) fn redrive(&mut self, ids: &[MessageId], step: ConsumerStep<'_>) -> Redriven {
        let mut outcome = Redriven::default();
        for &id in ids {
            let Some(letter) = self.dead.take(id) else {
                outcome.unknown.push(id);
                continue;
            };
            outcome.redriven += 1;
            let is_new = id > self.cursor && step.log.get(id).is_some();
            if is_new || self.entries.get(id).is_some() {
                self.dead.drop_copy(&letter.message);
                continue;
            }
            let (attempt, due) = (Attempt::FIRST, step.now);
            let entry = ConsumerEntry {
                state: EntryState::Waiting { attempt, due },
                reason: None,
                copy: Some(letter.message),
            };
            self.entries.insert(id, entry);
        }
        outcome.remaining = u64::try_from(self.dead.len()).unwrap_or(u64::MAX);
        outcome
    }

    pub(crate) fn delete_dead_letter(&mut self, id: MessageId) -> bool {
        let letter = self.dead.take(id);
        if let Some(letter) = &letter {
            self.dead.drop_copy(&letter.message);
        }
        letter.is_some()
    }

    /// Adjusts to the removal of the message `id` from the topic.
    pub(crate) fn message_removed(&mut self, id: MessageId, removal: MessageRemoval) {
        if id > self.cursor {
            // It was new. The number of new messages follows from that of held ones.
            self.missed += u64::from(removal == MessageRemoval::Pruned);
            return;
        }
        self.behind -= 1;
        let Some(entry) = self.entries.get(id) else {
            return;
        };
        if removal == MessageRemoval::Pruned && entry.copy.is_some() {
            return;
        }
        let Some(mut entry) = self.entries.remove(id) else {
            return;
        };
        match (&mut entry.state, removal) {
            (EntryState::Leased(lease), _) => {
                lease.fate = match removal {
                    MessageRemoval::Deleted => UnackedFate::Settled,
                    MessageRemoval::Pruned => UnackedFate::Missed,
                };
                self.entries.insert(id, entry);
            }
            (EntryState::Waiting { .. }, MessageRemoval::Deleted) => self.drop_entry(&entry),
            (EntryState::Waiting { .. }, MessageRemoval::Pruned) => self.missed += 1,
        }
    }

    /// Releases the copy of an entry that was taken out for good.
    pub(super) fn drop_entry(&mut self, entry: &ConsumerEntry) {
        if let Some(copy) = &entry.copy {
            self.dead.drop_copy(copy);
        }
    }
}
