//! One consumer: the lease engine over the messages of its topic.

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    ConsumerCounts, DeadLetter, DeadLetterPage, DeadLetterRequest, LeaseUpdate, LeasedMessage,
    LeasesUpdated, MAX_DEAD_LETTERS, PullRequest, PulledLeases, Redrive, Redriven,
};
use posthorn_domain::{
    Attempt, ConsumerSettings, FailureReason, LeaseNonce, LeaseToken, Message, MessageId,
    SettingsTag, Timestamp,
};

use super::dead_letters::DeadLetters;
use super::entries::{Entries, Entry, EntryState, Fate, Lease};
use crate::store::topic_log::TopicLog;

pub(crate) struct Consumer {
    pub(super) settings: ConsumerSettings,
    pub(super) tag: SettingsTag,
    /// Everything after it is new.
    cursor: MessageId,
    /// The number of messages that the topic holds at or before the cursor.
    behind: usize,
    entries: Entries,
    dead: DeadLetters,
    missed: u64,
    dead_dropped: u64,
    last_pull_at: Option<Timestamp>,
}

/// The circumstances of one step: the topic, the store's time, and the store's bounds.
#[derive(Clone, Copy)]
pub(crate) struct Step<'a> {
    pub(crate) log: &'a TopicLog,
    pub(crate) now: Timestamp,
    /// How many more entries the store may hold.
    pub(crate) free_entries: usize,
    /// How many bytes the copies of this consumer may take.
    pub(crate) max_copy_bytes: usize,
}

/// How a message left the topic.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
    /// A client deleted it.
    Deleted,
    /// Retention removed it.
    Pruned,
}

/// A lease to be granted.
#[derive(Clone, Copy)]
struct Grant {
    attempt: Attempt,
    nonce: LeaseNonce,
    expires_at: Timestamp,
}

/// The end of a lease without an acknowledgement.
struct Failure {
    at: Timestamp,
    /// As the backoff says when `None`.
    delay: Option<Duration>,
    reason: Option<FailureReason>,
}

impl Consumer {
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
            entries: Entries::default(),
            dead: DeadLetters::default(),
            missed: 0,
            dead_dropped: 0,
            last_pull_at: None,
        }
    }

    pub(crate) fn entry_count(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn copy_bytes(&self) -> usize {
        self.dead.bytes()
    }

    /// When the first lease ends or the first waiting entry is due.
    pub(crate) fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.entries.next_change(now)
    }

    /// Whether a pull could lease no new message, whatever the topic holds.
    pub(crate) fn is_at_limit(&self, step: Step<'_>) -> bool {
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

    /// Ends the leases that expired. Every step does this first.
    pub(crate) fn expire(&mut self, step: Step<'_>) {
        while let Some(id) = self.entries.first_expired(step.now) {
            let Some((lease, entry)) = self.entries.take_leased(id, |_| true) else {
                return;
            };
            let failure = Failure {
                at: lease.expires_at,
                delay: None,
                reason: Some(FailureReason::lease_expired()),
            };
            self.fail(id, lease, entry, failure, step);
        }
    }

    pub(crate) fn pull(&mut self, request: PullRequest, step: Step<'_>) -> PulledLeases {
        let now = step.now;
        self.last_pull_at = Some(now);
        let lease = request.lease.unwrap_or(self.settings.lease);
        let grant = Grant {
            attempt: Attempt::FIRST,
            nonce: request.nonce,
            expires_at: now.saturating_add(lease.get()),
        };
        let in_flight = self.entries.leased();
        let capacity = usize::from(self.settings.max_in_flight.get()).saturating_sub(in_flight);
        let limit = request.limit.get().min(capacity);

        // Redeliveries come first, by due time and then by id.
        let mut messages = Vec::new();
        while messages.len() < limit
            && let Some(id) = self.entries.first_due(now)
        {
            messages.extend(self.lease_waiting(id, grant, step.log));
        }

        // Then new messages; each adds an entry to the store.
        let new = step.log.newer_than(self.cursor);
        let new: Vec<_> = new
            .take((limit - messages.len()).min(step.free_entries))
            .cloned()
            .collect();
        let free_entries = step.free_entries - new.len();
        for message in new {
            self.cursor = message.id;
            self.behind += 1;
            let grant = Grant {
                attempt: Attempt::FIRST,
                ..grant
            };
            let entry = Entry {
                state: grant.state(),
                reason: None,
                copy: None,
            };
            self.entries.insert(message.id, entry);
            messages.push(grant.of(message));
        }

        let is_new_left = free_entries > 0 && self.behind < step.log.len();
        let is_due_left = self.entries.first_due(now).is_some();
        let next = self.entries.next_change(now);
        PulledLeases {
            more: messages.len() < capacity && (is_due_left || is_new_left),
            messages,
            next_due: next.map(|time| Duration::from_millis(time.as_millis() - now.as_millis())),
        }
    }

    pub(crate) fn update_leases(
        &mut self,
        leases: &[LeaseToken],
        update: &LeaseUpdate,
        step: Step<'_>,
    ) -> LeasesUpdated {
        let expires_at = match update {
            LeaseUpdate::Extend(lease) => {
                let lease = lease.unwrap_or(self.settings.lease);
                Some(step.now.saturating_add(lease.get()))
            }
            LeaseUpdate::Ack | LeaseUpdate::Nack { .. } => None,
        };
        let mut valid = Vec::with_capacity(leases.len());
        for token in leases {
            let is_meant =
                |lease: &Lease| lease.attempt == token.attempt && lease.nonce == token.nonce;
            let taken = self.entries.take_leased(token.id, is_meant);
            valid.push(taken.is_some());
            let Some((lease, mut entry)) = taken else {
                continue;
            };
            match update {
                LeaseUpdate::Ack => self.drop_entry(&entry),
                LeaseUpdate::Nack { delay, reason } => {
                    let (at, delay, reason) = (step.now, *delay, reason.clone());
                    self.fail(token.id, lease, entry, Failure { at, delay, reason }, step);
                }
                LeaseUpdate::Extend(_) => {
                    let expires_at = expires_at.unwrap_or(lease.expires_at);
                    entry.state = EntryState::Leased(Lease {
                        expires_at,
                        ..lease
                    });
                    self.entries.insert(token.id, entry);
                }
            }
        }
        LeasesUpdated { valid, expires_at }
    }

    pub(crate) fn give_back(&mut self, nonce: LeaseNonce, now: Timestamp) {
        for id in self.entries.leased_under(nonce) {
            let Some((lease, mut entry)) = self.entries.take_leased(id, |_| true) else {
                continue;
            };
            match lease.fate {
                Fate::Retry => {
                    // The attempt did not happen: the next one has its number.
                    let attempt = lease.attempt;
                    entry.state = EntryState::Waiting { attempt, due: now };
                    self.entries.insert(id, entry);
                }
                Fate::Missed => self.missed += 1,
                Fate::Settled => self.drop_entry(&entry),
            }
        }
    }

    pub(crate) fn seek(&mut self, cursor: MessageId, step: Step<'_>) {
        for (id, mut entry) in self.entries.drain() {
            let fate = match entry.state {
                EntryState::Leased(lease) => lease.fate,
                EntryState::Waiting { .. } => Fate::Retry,
            };
            let is_after = id > cursor;
            if is_after && fate == Fate::Missed {
                self.missed += 1;
            }
            if is_after && fate == Fate::Retry && entry.copy.is_some() && step.log.get(id).is_none()
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

    pub(crate) fn redrive(&mut self, redrive: &Redrive, step: Step<'_>) -> Redriven {
        let ids = match redrive {
            Redrive::All => self.dead.first_ids(Redrive::MAX),
            Redrive::Ids(ids) => ids.clone(),
        };
        let mut outcome = Redriven::default();
        for id in ids {
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
            let entry = Entry {
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
    pub(crate) fn message_removed(&mut self, id: MessageId, removal: Removal) {
        if id > self.cursor {
            // It was new. The number of new messages follows from that of held ones.
            self.missed += u64::from(removal == Removal::Pruned);
            return;
        }
        self.behind -= 1;
        let Some(entry) = self.entries.get(id) else {
            return;
        };
        if removal == Removal::Pruned && entry.copy.is_some() {
            return;
        }
        let Some(mut entry) = self.entries.remove(id) else {
            return;
        };
        match (&mut entry.state, removal) {
            (EntryState::Leased(lease), _) => {
                lease.fate = match removal {
                    Removal::Deleted => Fate::Settled,
                    Removal::Pruned => Fate::Missed,
                };
                self.entries.insert(id, entry);
            }
            (EntryState::Waiting { .. }, Removal::Deleted) => self.drop_entry(&entry),
            (EntryState::Waiting { .. }, Removal::Pruned) => self.missed += 1,
        }
    }

    /// Leases the waiting entry `id`: its message, unless nothing holds that any more.
    fn lease_waiting(
        &mut self,
        id: MessageId,
        grant: Grant,
        log: &TopicLog,
    ) -> Option<LeasedMessage> {
        let mut entry = self.entries.remove(id)?;
        let message = entry.copy.as_ref().or(log.get(id)).map(Arc::clone)?;
        let EntryState::Waiting { attempt, .. } = entry.state else {
            return None;
        };
        let grant = Grant { attempt, ..grant };
        entry.state = grant.state();
        self.entries.insert(id, entry);
        Some(grant.of(message))
    }

    /// Ends a lease that was not acknowledged; `entry` has been taken out.
    fn fail(
        &mut self,
        id: MessageId,
        lease: Lease,
        mut entry: Entry,
        failure: Failure,
        step: Step<'_>,
    ) {
        match lease.fate {
            Fate::Missed => self.missed += 1,
            Fate::Settled => self.drop_entry(&entry),
            Fate::Retry if lease.attempt >= self.settings.max_attempts => {
                self.bury(id, lease.attempt, entry, failure, step);
            }
            Fate::Retry => {
                let backoff = || self.settings.backoff.delay_after(lease.attempt);
                let delay = failure.delay.unwrap_or_else(backoff);
                entry.state = EntryState::Waiting {
                    attempt: lease.attempt.next(),
                    due: failure.at.saturating_add(delay),
                };
                entry.reason = failure.reason;
                self.entries.insert(id, entry);
            }
        }
    }

    /// Makes a dead letter of the message `id`, and removes the first ones above the limits.
    fn bury(
        &mut self,
        id: MessageId,
        attempts: Attempt,
        entry: Entry,
        failure: Failure,
        step: Step<'_>,
    ) {
        self.drop_entry(&entry);
        let Some(message) = entry.copy.or_else(|| step.log.get(id).map(Arc::clone)) else {
            self.missed += 1;
            return;
        };
        self.dead.insert(DeadLetter {
            message,
            attempts,
            reason: failure.reason,
            died_at: failure.at,
        });
        while self.dead.len() + self.entries.copies() > MAX_DEAD_LETTERS
            || self.dead.bytes() > step.max_copy_bytes
        {
            let Some(dropped) = self.dead.take_first() else {
                return;
            };
            self.dead.drop_copy(&dropped.message);
            self.dead_dropped += 1;
        }
    }

    /// Releases the copy of an entry that was taken out for good.
    fn drop_entry(&mut self, entry: &Entry) {
        if let Some(copy) = &entry.copy {
            self.dead.drop_copy(copy);
        }
    }
}

impl Grant {
    fn state(self) -> EntryState {
        EntryState::Leased(Lease {
            attempt: self.attempt,
            nonce: self.nonce,
            expires_at: self.expires_at,
            fate: Fate::Retry,
        })
    }

    fn of(self, message: Arc<Message>) -> LeasedMessage {
        LeasedMessage {
            message,
            attempt: self.attempt,
            expires_at: self.expires_at,
        }
    }
}
