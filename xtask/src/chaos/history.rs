//! The records of one run: what the clients sent and received, and when the store crashed.

use std::collections::BTreeMap;

use super::wall_clock::Millis;

/// All records of one run.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// The texts of the messages with a receipt, by id.
    pub(super) accepted: BTreeMap<String, String>,
    /// The ids in receipts of more than one message.
    pub(super) reused: Vec<String>,
    /// The keys of messages that were sent until the deadline without a receipt.
    pub(super) unanswered: Vec<String>,
    /// The texts in the topic at the end, by id.
    pub(super) stored: BTreeMap<String, String>,
    pub(super) leases: Vec<Lease>,
    pub(super) crashes: Vec<Crash>,
    /// The attempts of the dead letters at the end, by id.
    pub(super) dead: BTreeMap<String, u64>,
    pub(super) counts: FinalCounts,
}

/// A lease that a worker received.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    pub(super) id: String,
    pub(super) text: String,
    pub(super) token: String,
    pub(super) attempt: u64,
    /// The time of the grant, by the store's clock.
    pub(super) granted: Millis,
    /// The end of the lease as granted, by the store's clock.
    pub(super) expires: Millis,
    /// In the order in which they were sent.
    pub(super) uses: Vec<LeaseUse>,
}

/// A call with the token of a lease.
#[derive(Clone, Debug)]
pub(super) struct LeaseUse {
    pub(super) kind: UseKind,
    pub(super) sent: Millis,
    /// The time of the response, or of the failure.
    pub(super) ended: Millis,
    pub(super) outcome: UseOutcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UseKind {
    Ack,
    Nack,
    /// Extends the lease by this many milliseconds from the execution.
    Extend(Millis),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UseOutcome {
    /// The lease was valid.
    Valid,
    /// The lease had ended.
    Stale,
    /// There was no response: the call may have been executed.
    Unknown,
}

/// A crash of the store: it may have lost the grants that it was about to store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crash {
    pub(super) before: Millis,
    pub(super) after: Millis,
}

/// The counts of the consumer after the last message was settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FinalCounts {
    pub(super) waiting: u64,
    pub(super) in_flight: u64,
    pub(super) dead: u64,
    pub(super) missed: u64,
}

impl History {
    /// Adds the records of a client.
    pub(super) fn add(&mut self, other: Self) {
        for (id, text) in other.accepted {
            self.accept(id, text);
        }
        self.reused.extend(other.reused);
        self.unanswered.extend(other.unanswered);
        self.leases.extend(other.leases);
    }

    /// Adds the message of a receipt.
    pub(super) fn accept(&mut self, id: String, text: String) {
        if self.accepted.insert(id.clone(), text).is_some() {
            self.reused.push(id);
        }
    }

    /// True if the store crashed at some time from `first` to `last`.
    pub(super) fn crashed_between(&self, first: Millis, last: Millis) -> bool {
        let mut crashes = self.crashes.iter();
        crashes.any(|crash| crash.after >= first && crash.before <= last)
    }
}
