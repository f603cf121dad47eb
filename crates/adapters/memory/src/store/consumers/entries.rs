//! The entries of one consumer: its leases and redeliveries, indexed by id and by time.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use posthorn_application::DeliveryState;
use posthorn_domain::{Attempt, FailureReason, LeaseNonce, Message, MessageId, Timestamp};

/// A message that was handed out, or redriven, and is not settled.
pub(super) struct ConsumerEntry {
    pub(super) state: EntryState,
    /// Why the last attempt failed.
    pub(super) reason: Option<FailureReason>,
    /// The message, if a redrive made the entry; else the topic holds it.
    pub(super) copy: Option<Arc<Message>>,
}

#[derive(Clone, Copy)]
pub(super) enum EntryState {
    Leased(HeldLease),
    Waiting {
        /// The number of the next attempt.
        attempt: Attempt,
        due: Timestamp,
    },
}

#[derive(Clone, Copy)]
pub(super) struct HeldLease {
    pub(super) attempt: Attempt,
    pub(super) nonce: LeaseNonce,
    pub(super) expires_at: Timestamp,
    pub(super) fate: UnackedFate,
}

/// What becomes of a leased message that is not acknowledged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum UnackedFate {
    /// It waits or dies.
    Retry,
    /// It is missed: retention removed it.
    Missed,
    /// It is settled: a client deleted it.
    Settled,
}

impl ConsumerEntry {
    pub(super) fn delivery(&self) -> DeliveryState {
        match self.state {
            EntryState::Leased(lease) => DeliveryState::InFlight {
                attempt: lease.attempt,
                expires_at: lease.expires_at,
            },
            EntryState::Waiting { attempt, due } => DeliveryState::Waiting {
                attempt,
                due_at: Some(due),
                reason: self.reason.clone(),
            },
        }
    }
}

/// Every operation is O(log n), but for [`EntrySet::leased_under`].
#[derive(Default)]
pub(super) struct EntrySet {
    by_id: BTreeMap<MessageId, ConsumerEntry>,
    /// The ends of the leases.
    leases: BTreeSet<(Timestamp, MessageId)>,
    /// The due times of the waiting entries.
    due: BTreeSet<(Timestamp, MessageId)>,
    /// The ids of the waiting entries.
    waiting: BTreeSet<MessageId>,
    copies: usize,
}

impl EntrySet {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The number of entries with a copy.
    pub(super) fn copies(&self) -> usize {
        self.copies
    }

    pub(super) fn leased(&self) -> usize {
        self.leases.len()
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn first_waiting(&self) -> Option<MessageId> {
        self.waiting.first().copied()
    }

    pub(super) fn get(&self, id: MessageId) -> Option<&ConsumerEntry> {
        self.by_id.get(&id)
    }

    pub(super) fn insert(&mut self, id: MessageId, entry: ConsumerEntry) {
        self.remove(id);
        match entry.state {
            EntryState::Leased(lease) => {
                self.leases.insert((lease.expires_at, id));
            }
            EntryState::Waiting { due, .. } => {
                self.due.insert((due, id));
                self.waiting.insert(id);
            }
        }
        self.copies += usize::from(entry.copy.is_some());
        self.by_id.insert(id, entry);
    }

    pub(super) fn remove(&mut self, id: MessageId) -> Option<ConsumerEntry> {
        let entry = self.by_id.remove(&id)?;
        match entry.state {
            EntryState::Leased(lease) => {
                self.leases.remove(&(lease.expires_at, id));
            }
            EntryState::Waiting { due, .. } => {
                self.due.remove(&(due, id));
                self.waiting.remove(&id);
            }
        }
        self.copies -= usize::from(entry.copy.is_some());
        Some(entry)
    }

    /// Removes the leased entry `id` if `is_meant` holds for its lease.
    pub(super) fn take_leased(
        &mut self,
        id: MessageId,
        is_meant: impl FnOnce(&HeldLease) -> bool,
    ) -> Option<(HeldLease, ConsumerEntry)> {
        match self.get(id)?.state {
            EntryState::Leased(lease) if is_meant(&lease) => Some((lease, self.remove(id)?)),
            _ => None,
        }
    }

    /// The lease that ended first, at `now` or before.
    pub(super) fn first_expired(&self, now: Timestamp) -> Option<MessageId> {
        let (expires_at, id) = self.leases.first()?;
        (*expires_at <= now).then_some(*id)
    }

    /// The waiting entry that was due first, at `now` or before.
    pub(super) fn first_due(&self, now: Timestamp) -> Option<MessageId> {
        let (due, id) = self.due.first()?;
        (*due <= now).then_some(*id)
    }

    /// The first time after `now` at which an entry is due or a lease ends.
    pub(super) fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let after = (Bound::Excluded((now, MessageId::MAX)), Bound::Unbounded);
        let due = self.due.range(after).next();
        let times = due.into_iter().chain(self.leases.range(after).next());
        times.map(|(time, _)| *time).min()
    }

    /// The messages that are leased under `nonce`. O(n) in the number of leases.
    pub(super) fn leased_under(&self, nonce: LeaseNonce) -> Vec<MessageId> {
        let ids = self.leases.iter().map(|(_, id)| *id);
        let is_under = |id: &MessageId| {
            matches!(self.get(*id), Some(ConsumerEntry { state: EntryState::Leased(lease), .. })
                if lease.nonce == nonce)
        };
        ids.filter(is_under).collect()
    }

    /// All entries, in the order of ids; none is left.
    pub(super) fn drain(&mut self) -> BTreeMap<MessageId, ConsumerEntry> {
        std::mem::take(self).by_id
    }
}
