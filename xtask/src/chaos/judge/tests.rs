//! Shows that the judge finds planted violations, and nothing in a correct history.

use super::*;
use crate::chaos::history::Crash;

const PROMISES: Promises = Promises {
    max_attempts: 3,
    may_lose_unacknowledged: false,
};

fn lease(attempt: u64, granted: Millis, uses: &[LeaseUse]) -> Lease {
    Lease {
        id: "a".to_owned(),
        text: "text".to_owned(),
        token: String::new(),
        attempt,
        granted,
        expires: granted + 1_000,
        uses: uses.to_vec(),
    }
}

fn used(kind: UseKind, sent: Millis, outcome: UseOutcome) -> LeaseUse {
    LeaseUse {
        kind,
        sent,
        ended: sent + 10,
        outcome,
    }
}

fn ack(sent: Millis) -> LeaseUse {
    used(UseKind::Ack, sent, UseOutcome::Valid)
}

fn nack(sent: Millis) -> LeaseUse {
    used(UseKind::Nack, sent, UseOutcome::Valid)
}

/// A history in which the message `a` was accepted.
fn history(leases: Vec<Lease>) -> History {
    History {
        accepted: [("a".to_owned(), "text".to_owned())].into(),
        stored: [("a".to_owned(), "text".to_owned())].into(),
        leases,
        ..History::default()
    }
}

#[track_caller]
fn check(history: &History, expected: &[Violation]) {
    assert_eq!(judge(history, PROMISES).violations, expected);
}

fn a(violation: fn(String) -> Violation) -> Violation {
    violation("a".to_owned())
}

#[test]
fn a_correct_history_has_no_violation() {
    check(&history(vec![lease(1, 1_000, &[ack(1_500)])]), &[]);
    // Rejected and handed out again, expired and handed out again, then acknowledged.
    let leases = vec![
        lease(1, 1_000, &[nack(1_200)]),
        lease(2, 1_205, &[used(UseKind::Ack, 2_300, UseOutcome::Stale)]),
        lease(3, 2_205, &[ack(2_400)]),
    ];
    check(&history(leases), &[]);
    // An acknowledgement without a response may have been executed.
    let unknown = used(UseKind::Ack, 1_500, UseOutcome::Unknown);
    check(&history(vec![lease(1, 1_000, &[unknown])]), &[]);
    // An extension moves the end.
    let extended = used(UseKind::Extend(2_000), 1_500, UseOutcome::Valid);
    let leases = vec![lease(1, 1_000, &[extended]), lease(2, 3_500, &[ack(3_600)])];
    check(&history(leases), &[]);
}

#[test]
fn a_lost_message_is_found() {
    check(&history(Vec::new()), &[a(Violation::Lost)]);
    let stale = used(UseKind::Ack, 2_100, UseOutcome::Stale);
    let leases = vec![lease(1, 1_000, &[stale])];
    check(&history(leases), &[a(Violation::Lost)]);
}

#[test]
fn a_hand_out_after_an_acknowledgement_is_found() {
    let leases = vec![lease(1, 1_000, &[ack(1_500)]), lease(2, 5_000, &[])];
    let mut again = history(leases);
    check(&again, &[a(Violation::AfterAck)]);
    // A crash is no excuse.
    again.crashes.push(Crash {
        before: 2_000,
        after: 2_001,
    });
    check(&again, &[a(Violation::AfterAck)]);
}

#[test]
fn a_dead_letter_after_an_acknowledgement_is_found() {
    let mut dead = history(vec![lease(1, 1_000, &[ack(1_500)])]);
    dead.dead.insert("a".to_owned(), 3);
    dead.counts.dead = 1;
    check(&dead, &[a(Violation::AfterAck)]);
}

#[test]
fn overlapping_leases_are_found() {
    let leases = vec![lease(1, 1_000, &[]), lease(2, 1_999, &[ack(2_100)])];
    let mut overlapping = history(leases);
    check(&overlapping, &[a(Violation::Overlap)]);
    // A crash between the grants may have lost the first one.
    overlapping.crashes.push(Crash {
        before: 1_500,
        after: 1_501,
    });
    check(&overlapping, &[]);
    assert_eq!(judge(&overlapping, PROMISES).void, 1);
    // But not if the first lease was valid afterwards.
    overlapping.leases[0].uses.push(nack(2_050));
    check(&overlapping, &[a(Violation::Overlap)]);
    // An extension that was granted holds, and so does one that may have been.
    for (outcome, expected) in [
        (UseOutcome::Valid, vec![a(Violation::Overlap)]),
        (UseOutcome::Unknown, Vec::new()),
    ] {
        let extended = used(UseKind::Extend(2_000), 1_900, outcome);
        let leases = vec![lease(1, 1_000, &[extended]), lease(2, 2_100, &[ack(2_200)])];
        check(&history(leases), &expected);
    }
}

#[test]
fn a_repeated_attempt_is_found() {
    let leases = vec![
        lease(1, 1_000, &[nack(1_100)]),
        lease(1, 1_200, &[ack(1_300)]),
    ];
    let mut repeated = history(leases);
    check(&repeated, &[a(Violation::Attempt)]);
    repeated.crashes.push(Crash {
        before: 1_150,
        after: 1_151,
    });
    check(&repeated, &[]);
}

#[test]
fn the_rejection_of_a_valid_lease_is_found() {
    let stale = used(UseKind::Ack, 1_500, UseOutcome::Stale);
    let leases = vec![lease(1, 1_000, &[stale]), lease(2, 2_000, &[ack(2_100)])];
    check(&history(leases), &[a(Violation::RejectedValid)]);
}

#[test]
fn an_acknowledged_message_that_the_topic_has_lost_is_found() {
    let mut gone = history(vec![lease(1, 1_000, &[ack(1_500)])]);
    gone.stored.clear();
    check(&gone, &[a(Violation::Gone)]);
    gone.stored.insert("a".to_owned(), "other".to_owned());
    check(&gone, &[a(Violation::Gone)]);
}

#[test]
fn an_id_in_two_receipts_is_found() {
    let mut reused = history(vec![lease(1, 1_000, &[ack(1_500)])]);
    let mut other = History::default();
    other.accept("a".to_owned(), "text".to_owned());
    reused.add(other);
    check(&reused, &[a(Violation::Reused)]);
}

#[test]
fn a_message_without_a_receipt_is_found() {
    let mut unanswered = history(vec![lease(1, 1_000, &[ack(1_500)])]);
    unanswered.unanswered.push("key".to_owned());
    check(&unanswered, &[Violation::Unanswered("key".to_owned())]);
}

#[test]
fn foreign_messages_are_found() {
    let mut foreign = history(vec![lease(1, 1_000, &[ack(1_500)])]);
    foreign.leases[0].text = "other".to_owned();
    check(&foreign, &[a(Violation::Foreign)]);
    foreign.accepted.clear();
    check(&foreign, &[a(Violation::Foreign)]);
}

#[test]
fn a_message_that_a_demoted_primary_lost_is_foreign_elsewhere() {
    let mut lost = history(vec![lease(1, 1_000, &[ack(1_500)])]);
    lost.leases[0].id = "b".to_owned();
    lost.leases.push(lease(1, 3_000, &[ack(3_500)]));
    check(&lost, &[Violation::Foreign("b".to_owned())]);
    let promises = Promises {
        may_lose_unacknowledged: true,
        ..PROMISES
    };
    let verdict = judge(&lost, promises);
    assert_eq!((verdict.violations.len(), verdict.void), (0, 1));
}

#[test]
fn wrong_counts_are_found() {
    let mut wrong = history(vec![lease(1, 1_000, &[ack(1_500)])]);
    wrong.counts.missed = 1;
    let found = judge(&wrong, PROMISES).violations;
    assert!(matches!(found[..], [Violation::Counts(_)]), "{found:?}");
    let mut soon = history(vec![lease(1, 1_000, &[])]);
    soon.dead.insert("a".to_owned(), 2);
    soon.counts.dead = 1;
    check(&soon, &[a(Violation::DeadTooSoon)]);
}
