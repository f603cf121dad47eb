//! The leases of one consumer: granting, settling, expiring.

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    ByteBudget, DeadLetter, LeaseUpdate, LeasedMessage, LeasesUpdated, MAX_DEAD_LETTERS,
    PullRequest, PulledLeases,
};
use posthorn_domain::{
    Attempt, FailureReason, LeaseNonce, LeaseToken, Message, MessageId, Timestamp,
};

use super::consumer::{ConsumerState, ConsumerStep};
use super::entries::{ConsumerEntry, EntryState, HeldLease, UnackedFate};
use crate::store::topic_log::TopicLog;

/// A lease to be granted.
#[derive(Clone, Copy)]
struct LeaseGrant {
    attempt: Attempt,
    nonce: LeaseNonce,
    expires_at: Timestamp,
}

/// The end of a lease without an acknowledgement.
struct FailedAttempt {
    at: Timestamp,
    /// The wait before the next attempt; `None` for that of the backoff.
    delay: Option<Duration>,
    reason: Option<FailureReason>,
}

impl ConsumerState {
    /// Ends the leases that expired. Every step does this first.
    pub(crate) fn expire(&mut self, step: ConsumerStep<'_>) {
        while let Some(id) = self.entries.first_expired(step.now) {
            let Some((lease, entry)) = self.entries.take_leased(id, |_| true) else {
                return;
            };
            let failure = FailedAttempt {
                at: lease.expires_at,
                delay: None,
                reason: Some(FailureReason::lease_expired()),
            };
            self.fail(id, lease, entry, failure, step);
        }
    }

    pub(crate) fn pull(&mut self, request: PullRequest, step: ConsumerStep<'_>) -> PulledLeases {
        let now = step.now;
        self.last_pull_at = Some(now);
        let webhook = self.webhook.as_deref();
        if webhook.is_some_and(|webhook| webhook.health.disabled.is_some()) {
            return PulledLeases::default();
        }
        let lease = request.lease.unwrap_or(self.settings.lease);
        let grant = LeaseGrant {
            attempt: Attempt::FIRST,
            nonce: request.nonce,
            expires_at: now.saturating_add(lease.get()),
        };
        let in_flight = self.entries.leased();
        let capacity = usize::from(self.settings.max_in_flight.get()).saturating_sub(in_flight);
        let limit = request.limit.get().min(capacity);

        // Redeliveries come first, by due time and then by id.
        let mut budget = ByteBudget::default();
        let (mut messages, is_full) = self.lease_due(grant, limit, step, &mut budget);

        // Then new messages; each adds an entry to the store.
        let new = step.log.newer_than(self.cursor);
        let new: Vec<_> = new
            .take((limit - messages.len()).min(step.free_entries))
            .take_while(|message| !is_full && budget.admits(message))
            .cloned()
            .collect();
        let free_entries = step.free_entries - new.len();
        for message in new {
            self.cursor = message.id;
            self.behind += 1;
            let grant = LeaseGrant {
                attempt: Attempt::FIRST,
                ..grant
            };
            let entry = ConsumerEntry {
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
            unreadable: Vec::new(),
            next_due: next.map(|time| Duration::from_millis(time.as_millis() - now.as_millis())),
        }
    }

    /// Leases redeliveries that are due; returns true with them if the bytes of the last one did not fit.
    fn lease_due(
        &mut self,
        grant: LeaseGrant,
        limit: usize,
        step: ConsumerStep<'_>,
        budget: &mut ByteBudget,
    ) -> (Vec<LeasedMessage>, bool) {
        let (mut messages, mut is_full) = (Vec::new(), false);
        while !is_full
            && messages.len() < limit
            && let Some(id) = self.entries.first_due(step.now)
        {
            let leased = self.lease_waiting(id, grant, step.log);
            // Its entry is leased already, so the last one may be over the limit.
            is_full = leased
                .as_ref()
                .is_some_and(|leased| !budget.admits(&leased.message));
            messages.extend(leased);
        }
        (messages, is_full)
    }

    pub(crate) fn update_leases(
        &mut self,
        leases: &[LeaseToken],
        update: &LeaseUpdate,
        step: ConsumerStep<'_>,
    ) -> LeasesUpdated {
        let expires_at = match update {
            LeaseUpdate::Extend(lease) => {
                let lease = lease.unwrap_or(self.settings.lease);
                Some(step.now.saturating_add(lease.get()))
            }
            LeaseUpdate::Ack | LeaseUpdate::Nack { .. } | LeaseUpdate::Release => None,
        };
        let mut valid = Vec::with_capacity(leases.len());
        for token in leases {
            let is_meant =
                |lease: &HeldLease| lease.attempt == token.attempt && lease.nonce == token.nonce;
            let taken = self.entries.take_leased(token.id, is_meant);
            valid.push(taken.is_some());
            let Some((lease, mut entry)) = taken else {
                continue;
            };
            match update {
                LeaseUpdate::Ack => self.drop_entry(&entry),
                LeaseUpdate::Nack { delay, reason } => {
                    let (at, delay, reason) = (step.now, *delay, reason.clone());
                    self.fail(
                        token.id,
                        lease,
                        entry,
                        FailedAttempt { at, delay, reason },
                        step,
                    );
                }
                LeaseUpdate::Extend(_) => {
                    let expires_at = expires_at.unwrap_or(lease.expires_at);
                    entry.state = EntryState::Leased(HeldLease {
                        expires_at,
                        ..lease
                    });
                    self.entries.insert(token.id, entry);
                }
                LeaseUpdate::Release => self.release(token.id, lease, entry, step.now),
            }
        }
        LeasesUpdated { valid, expires_at }
    }

    pub(crate) fn give_back(&mut self, nonce: LeaseNonce, now: Timestamp) {
        for id in self.entries.leased_under(nonce) {
            if let Some((lease, entry)) = self.entries.take_leased(id, |_| true) {
                self.release(id, lease, entry, now);
            }
        }
    }

    /// Ends a lease as if it had not been granted; `entry` has been taken out.
    fn release(
        &mut self,
        id: MessageId,
        lease: HeldLease,
        mut entry: ConsumerEntry,
        now: Timestamp,
    ) {
        match lease.fate {
            UnackedFate::Retry => {
                // The attempt did not happen: the next one has its number.
                let attempt = lease.attempt;
                entry.state = EntryState::Waiting { attempt, due: now };
                self.entries.insert(id, entry);
            }
            UnackedFate::Missed => self.missed += 1,
            UnackedFate::Settled => self.drop_entry(&entry),
        }
    }

    /// Leases the waiting entry `id`: its message, unless nothing holds that any more.
    fn lease_waiting(
        &mut self,
        id: MessageId,
        grant: LeaseGrant,
        log: &TopicLog,
    ) -> Option<LeasedMessage> {
        let mut entry = self.entries.remove(id)?;
        let message = entry.copy.as_ref().or(log.get(id)).map(Arc::clone)?;
        let EntryState::Waiting { attempt, .. } = entry.state else {
            return None;
        };
        let grant = LeaseGrant { attempt, ..grant };
        entry.state = grant.state();
        self.entries.insert(id, entry);
        Some(grant.of(message))
    }

    /// Ends a lease that was not acknowledged; `entry` has been taken out.
    fn fail(
        &mut self,
        id: MessageId,
        lease: HeldLease,
        mut entry: ConsumerEntry,
        failure: FailedAttempt,
        step: ConsumerStep<'_>,
    ) {
        match lease.fate {
            UnackedFate::Missed => self.missed += 1,
            UnackedFate::Settled => self.drop_entry(&entry),
            UnackedFate::Retry if lease.attempt >= self.settings.max_attempts => {
                self.bury(id, lease.attempt, entry, failure, step);
            }
            UnackedFate::Retry => {
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

    /// Makes a dead letter of the message `id`, and removes the first one above the limit of their number.
    fn bury(
        &mut self,
        id: MessageId,
        attempts: Attempt,
        entry: ConsumerEntry,
        failure: FailedAttempt,
        step: ConsumerStep<'_>,
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
        if self.dead.len() + self.entries.copies() > MAX_DEAD_LETTERS {
            self.drop_dead_letter();
        }
    }
}

impl LeaseGrant {
    fn state(self) -> EntryState {
        EntryState::Leased(HeldLease {
            attempt: self.attempt,
            nonce: self.nonce,
            expires_at: self.expires_at,
            fate: UnackedFate::Retry,
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
