//! Judges the records of a run against the promises of consumers. Grants and ends of leases are compared by
//! the store's clock; the times of calls are those of the clients, on the same machine.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::history::{FinalCounts, History, Lease, LeaseUse, UseKind, UseOutcome};
use super::wall_clock::Millis;

/// The difference between a client's time and the store's that counts as none.
const TOLERANCE: Millis = 5;

/// What a scenario promises beyond "no message is lost".
#[derive(Clone, Copy, Debug)]
pub(super) struct Promises {
    /// The attempts after which a message is dead.
    pub(super) max_attempts: u64,
    /// True if a change of the primary may lose a message without a receipt that was handed out.
    pub(super) may_lose_unacknowledged: bool,
}

/// A broken promise, with the id of the message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Violation {
    /// Accepted, and neither acknowledged nor dead.
    Lost(String),
    /// Accepted, and not in the topic at the end, or with another text.
    Gone(String),
    /// The id in the receipts of two messages.
    Reused(String),
    /// There was no receipt for a message with this key, long after the last fault.
    Unanswered(String),
    /// Handed out after a valid acknowledgement, or dead in spite of it.
    AfterAck(String),
    /// Two valid leases at once.
    Overlap(String),
    /// A later lease without a greater attempt.
    Attempt(String),
    /// A valid lease was rejected as stale.
    RejectedValid(String),
    /// The store holds a message that no writer has a receipt of, or with another text.
    Foreign(String),
    /// Dead after another number of attempts than the limit.
    DeadTooSoon(String),
    /// The final counts do not fit the records.
    Counts(String),
}

/// The judgement on one run.
#[derive(Debug, Default)]
pub(super) struct ChaosVerdict {
    pub(super) violations: Vec<Violation>,
    /// Leases that a crash of the store made void.
    pub(super) void: usize,
}

/// Judges `history`.
pub(super) fn judge(history: &History, promises: Promises) -> ChaosVerdict {
    let mut verdict = ChaosVerdict::default();
    let texts: BTreeSet<&String> = history.accepted.values().collect();
    let mut by_message: BTreeMap<&str, Vec<&Lease>> = BTreeMap::new();
    for lease in &history.leases {
        let accepted = history.accepted.get(&lease.id);
        if promises.may_lose_unacknowledged && accepted.is_none() && texts.contains(&lease.text) {
            // A demoted primary handed it out before it lost it, and its sender tried again.
            verdict.void += 1;
            continue;
        }
        if accepted != Some(&lease.text) {
            verdict.add(Violation::Foreign(lease.id.clone()));
        }
        by_message.entry(&lease.id).or_default().push(lease);
    }
    for leases in by_message.values_mut() {
        leases.sort_by_key(|lease| (lease.granted, lease.attempt));
        for (index, first) in leases.iter().enumerate() {
            judge_stale(history, first, &mut verdict);
            for second in leases.iter().skip(index + 1) {
                judge_pair(history, first, second, &mut verdict);
            }
        }
    }
    judge_topic(history, &mut verdict);
    judge_ends(history, promises, &by_message, &mut verdict);
    verdict.violations.sort();
    verdict.violations.dedup();
    verdict
}

/// Judges two leases of one message, of which `second` was granted later.
fn judge_pair(history: &History, first: &Lease, second: &Lease, verdict: &mut ChaosVerdict) {
    let id = || first.id.clone();
    // 1. An acknowledgement is final.
    if first.is_acknowledged() {
        verdict.add(Violation::AfterAck(id()));
    }
    // 2. A lease that was valid after the second grant overlapped it, whatever crashed.
    let proven = first.valid_uses().map(|valid| valid.sent).max();
    if proven.is_some_and(|proven| second.granted + TOLERANCE < proven) {
        verdict.add(Violation::Overlap(id()));
    }
    // 3. A crash between the grants may have lost the first one.
    if history.crashed_between(first.granted, second.granted) {
        verdict.void += usize::from(second.granted < first.end());
        return;
    }
    if second.granted < first.end() {
        verdict.add(Violation::Overlap(id()));
    }
    if second.attempt <= first.attempt {
        verdict.add(Violation::Attempt(id()));
    }
}

/// Judges the rejections of a lease that was valid at that time.
fn judge_stale(history: &History, lease: &Lease, verdict: &mut ChaosVerdict) {
    let end = lease.end();
    let mut stale = lease.uses.iter();
    let rejected_valid = stale.any(|used| {
        used.outcome == UseOutcome::Stale
            && used.ended + TOLERANCE < end
            && !history.crashed_between(lease.granted, used.ended)
    });
    if rejected_valid {
        verdict.add(Violation::RejectedValid(lease.id.clone()));
    }
}

/// Judges whether the topic has every accepted message, also those that the consumer is done with.
fn judge_topic(history: &History, verdict: &mut ChaosVerdict) {
    for (id, text) in &history.accepted {
        if history.stored.get(id) != Some(text) {
            verdict.add(Violation::Gone(id.clone()));
        }
    }
    let reused = history.reused.iter().cloned().map(Violation::Reused);
    let unanswered = history.unanswered.iter().cloned();
    let unanswered = unanswered.map(Violation::Unanswered);
    verdict.violations.extend(reused.chain(unanswered));
}

/// Judges the end of every accepted message, and the final counts.
fn judge_ends(
    history: &History,
    promises: Promises,
    by_message: &BTreeMap<&str, Vec<&Lease>>,
    verdict: &mut ChaosVerdict,
) {
    for id in history.accepted.keys() {
        let leases = by_message.get(id.as_str()).map_or(&[][..], Vec::as_slice);
        let is_acknowledged = leases.iter().any(|lease| lease.is_acknowledged());
        let can_be_acknowledged = leases.iter().any(|lease| lease.may_be_acknowledged());
        match history.dead.get(id) {
            Some(_) if is_acknowledged => verdict.add(Violation::AfterAck(id.clone())),
            Some(attempts) if *attempts != promises.max_attempts => {
                verdict.add(Violation::DeadTooSoon(id.clone()));
            }
            Some(_) => {}
            None if can_be_acknowledged => {}
            None => verdict.add(Violation::Lost(id.clone())),
        }
    }
    for id in history.dead.keys() {
        if !history.accepted.contains_key(id) {
            verdict.add(Violation::Foreign(id.clone()));
        }
    }
    let expected = FinalCounts {
        dead: u64::try_from(history.dead.len()).unwrap_or(u64::MAX),
        ..FinalCounts::default()
    };
    if history.counts != expected {
        let found = history.counts;
        verdict.add(Violation::Counts(format!("{found:?}, not {expected:?}")));
    }
}

impl ChaosVerdict {
    fn add(&mut self, violation: Violation) {
        self.violations.push(violation);
    }
}

impl Lease {
    fn valid_uses(&self) -> impl Iterator<Item = &LeaseUse> {
        let uses = self.uses.iter();
        uses.filter(|used| used.outcome == UseOutcome::Valid)
    }

    fn is_acknowledged(&self) -> bool {
        self.valid_uses().any(|used| used.kind == UseKind::Ack)
    }

    fn may_be_acknowledged(&self) -> bool {
        let mut uses = self.uses.iter();
        uses.any(|used| used.kind == UseKind::Ack && used.outcome != UseOutcome::Stale)
    }

    /// The time until which the lease was certainly valid, unless a crash lost it.
    fn end(&self) -> Millis {
        let mut end = self.expires;
        for used in &self.uses {
            end = match (used.kind, used.outcome) {
                (_, UseOutcome::Stale) => end,
                (UseKind::Extend(by), UseOutcome::Valid) => used.sent + by,
                // It may not have been executed, and it may have shortened the lease.
                (UseKind::Extend(by), UseOutcome::Unknown) => end.min(used.sent + by),
                // The call ends the lease at some time after it was sent.
                (UseKind::Ack | UseKind::Nack, _) => {
                    return end.min(used.sent.saturating_sub(TOLERANCE));
                }
            };
        }
        end
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, id) = match self {
            Self::Lost(id) => ("neither acknowledged nor dead", id),
            Self::Gone(id) => ("accepted, but not in the topic as it was sent", id),
            Self::Reused(id) => ("in the receipts of two messages", id),
            Self::Unanswered(key) => ("no receipt for the key", key),
            Self::AfterAck(id) => ("handed out or dead after its acknowledgement", id),
            Self::Overlap(id) => ("two valid leases at once", id),
            Self::Attempt(id) => ("a later lease without a greater attempt", id),
            Self::RejectedValid(id) => ("a valid lease was rejected as stale", id),
            Self::Foreign(id) => ("without a receipt, or with another text", id),
            Self::DeadTooSoon(id) => ("dead after another number of attempts", id),
            Self::Counts(counts) => ("the final counts", counts),
        };
        write!(formatter, "{text}: {id}")
    }
}
