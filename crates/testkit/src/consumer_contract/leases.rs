//! Leases: settling, extending, expiring and giving back.

use std::time::Duration;

use posthorn_application::LeaseUpdate;
use posthorn_domain::{Attempt, LeaseNonce, LeaseToken};
use tokio::time::Instant;

use super::ConsumerHarness;
use super::support::{
    ConsumerCase, Held, LONG, SOON, attempts, counts, held, ids, lease, nack, nonce, request,
};

/// How much the clocks of store and test may differ over a case.
const SKEW: Duration = Duration::from_millis(50);

/// Neither by pulls now nor after everything else is settled.
pub async fn an_acknowledged_message_never_comes_again(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let given = case.append(4).await;
    let leases = case.pull(3).await;
    assert_eq!(case.ack(&leases[..2]).await, [true, true]);
    assert_eq!(case.nack(&leases[2..], None).await, [true]);
    let rest = case.pull(10).await;
    assert_eq!(ids(&rest), given[2..]);
    assert_eq!(case.ack(&rest).await, [true, true]);
    assert_eq!(case.pull(10).await, []);
    case.check_counts(counts(0, 0, 0, 0)).await;
}

/// The second use of any kind is stale and changes nothing.
pub async fn a_token_settles_once(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    case.append(2).await;
    let leases = case.pull(2).await;
    assert_eq!(case.ack(&leases[..1]).await, [true]);
    assert_eq!(case.nack(&leases, None).await, [false, true]);
    let extend = LeaseUpdate::Extend(None);
    for update in [LeaseUpdate::Ack, nack(Some(LONG), Some("late")), extend] {
        assert_eq!(case.update(&leases, update).await, [false, false]);
    }
    case.check_counts(counts(1, 0, 0, 0)).await;
    let again = case.pull(2).await;
    assert_eq!(
        (ids(&again), attempts(&again)),
        (vec![leases[1].id], vec![2])
    );
    assert_eq!(case.ack(&leases).await, [false, false]);
    assert_eq!(case.ack(&again).await, [true]);
}

/// Another nonce, another attempt, another message, or a message that does not exist.
pub async fn a_token_of_another_lease_is_stale(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let given = case.append(3).await;
    let leases = case.pull(2).await;
    let token = leases[0].token;
    let other_nonce = LeaseNonce::from_bits(token.nonce.to_bits() ^ 1);
    let others = [
        LeaseToken {
            nonce: other_nonce,
            ..token
        },
        LeaseToken {
            attempt: Attempt::MAX,
            ..token
        },
        LeaseToken {
            id: given[2],
            ..token
        },
        LeaseToken {
            id: posthorn_domain::MessageId::MAX,
            ..token
        },
    ];
    let others = others.map(|token| Held {
        token,
        ..leases[0].clone()
    });
    for update in [
        LeaseUpdate::Ack,
        nack(None, None),
        LeaseUpdate::Extend(None),
    ] {
        assert_eq!(case.update(&others, update).await, [false; 4]);
    }
    let mixed = [&others[..1], &leases[1..]].concat();
    assert_eq!(case.ack(&mixed).await, [false, true]);
    case.check_counts(counts(1, 1, 0, 0)).await;
}

/// At once where the backoff is zero.
pub async fn a_rejected_message_comes_again_with_the_next_attempt(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let given = case.append(2).await;
    let first = case.pull(1).await;
    assert_eq!(case.nack(&first, Some("once")).await, [true]);
    case.check_counts(counts(2, 0, 0, 0)).await;
    let second = case.pull(2).await;
    assert_eq!(ids(&second), given);
    assert_eq!(attempts(&second), [2, 1]);
    assert_ne!(first[0].token, second[0].token);
}

/// It counts as waiting all the time.
pub async fn a_rejected_message_waits_for_its_delay(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let given = case.append(2).await;
    let leases = case.pull(2).await;
    let (start, delay) = (Instant::now(), harness.unit());
    case.update(&leases[..1], nack(Some(delay), None)).await;
    case.update(&leases[1..], nack(Some(LONG), None)).await;
    case.check_counts(counts(2, 0, 0, 0)).await;
    if harness.clock().is_some() {
        assert_eq!(case.pull(2).await, []);
    }
    harness.pass(delay).await;
    let again = case.pull_when_due(2).await;
    assert!(harness.clock().is_some() || start.elapsed() + SKEW >= delay);
    assert_eq!((ids(&again), attempts(&again)), (vec![given[0]], vec![2]));
}

/// Its first backoff is zero.
pub async fn an_expired_lease_is_stale_and_its_message_comes_again(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let given = case.append(2).await;
    let (start, length) = (Instant::now(), harness.unit());
    let (leases, pulled) = case.pull_for(1, lease(length)).await;
    let granted = pulled.messages[0].expires_at;
    harness.pass(length).await;
    let again = case.pull_when_due(1).await;
    assert!(harness.clock().is_some() || start.elapsed() + SKEW >= length);
    assert_eq!((ids(&again), attempts(&again)), (vec![given[0]], vec![2]));
    assert!(case.status().await.last_pull_at.unwrap() >= granted);
    for update in [
        LeaseUpdate::Ack,
        nack(None, None),
        LeaseUpdate::Extend(None),
    ] {
        assert_eq!(case.update(&leases, update).await, [false]);
    }
    assert_eq!(case.ack(&again).await, [true]);
    case.check_counts(counts(1, 0, 0, 0)).await;
}

/// It outlives its first end.
pub async fn an_extended_lease_holds_longer(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    case.append(2).await;
    let length = lease(harness.unit() * 3);
    let (leases, pulled) = case.pull_for(2, length).await;
    let tokens = [leases[0].token];
    let extended = case
        .consumers
        .update_leases(&case.key, &tokens, LeaseUpdate::Extend(None));
    let extended = extended.await.unwrap();
    assert_eq!(extended.valid, [true]);
    assert!(extended.expires_at.unwrap() > pulled.messages[0].expires_at);
    harness.pass(harness.unit() * 3).await;
    let again = case.pull_when_due(2).await;
    assert_eq!(ids(&again), ids(&leases[1..]));
    assert_eq!(case.ack(&leases).await, [true, false]);
}

/// An extension counts from now.
pub async fn a_lease_may_be_shortened(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    case.append(1).await;
    let (leases, pulled) = case.pull_for(1, None).await;
    let update = LeaseUpdate::Extend(Some(lease(harness.unit())));
    let tokens = [leases[0].token];
    let shortened = case
        .consumers
        .update_leases(&case.key, &tokens, update)
        .await;
    assert!(shortened.unwrap().expires_at.unwrap() < pulled.messages[0].expires_at);
    harness.pass(harness.unit()).await;
    assert_eq!(attempts(&case.pull_when_due(1).await), [2]);
    assert_eq!(case.ack(&leases).await, [false]);
}

/// The message comes again before new ones, with the same attempt and its last reason.
pub async fn given_back_leases_do_not_count_as_attempts(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let given = case.append(3).await;
    let leases = case.pull(1).await;
    case.nack(&leases, Some("first")).await;
    for _ in 0..10 {
        let pulled = case.pull(2).await;
        assert_eq!(
            (ids(&pulled), attempts(&pulled)),
            (given[..2].to_vec(), vec![2, 1])
        );
        let returned = case.consumers.give_back(&case.key, pulled[0].token.nonce);
        assert_eq!(returned.await, Ok(()));
        assert_eq!(case.ack(&pulled).await, [false, false]);
        case.check_counts(counts(3, 0, 0, 0)).await;
    }
    let pulled = case.pull(3).await;
    assert_eq!(ids(&pulled), given);
    assert_eq!(attempts(&pulled), [2, 1, 1]);
}

/// What is settled stays settled, other pulls keep their leases, and an unknown nonce does nothing.
pub async fn giving_back_takes_the_leases_of_one_pull(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let given = case.append(4).await;
    let (first, second) = (case.pull(3).await, case.pull(1).await);
    assert_eq!(case.ack(&first[..1]).await, [true]);
    for nonce in [first[0].token.nonce, first[0].token.nonce, nonce()] {
        assert_eq!(case.consumers.give_back(&case.key, nonce).await, Ok(()));
    }
    case.check_counts(counts(2, 1, 0, 0)).await;
    assert_eq!(case.ack(&second).await, [true]);
    assert_eq!(ids(&case.pull(10).await), given[1..3]);
}

/// As those that are given back; a watcher is woken.
pub async fn released_leases_do_not_count_as_attempts(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let given = case.append(3).await;
    let leases = case.pull(1).await;
    case.nack(&leases, Some("first")).await;
    for _ in 0..10 {
        let pulled = case.pull(2).await;
        assert_eq!(
            (ids(&pulled), attempts(&pulled)),
            (given[..2].to_vec(), vec![2, 1])
        );
        let mut watcher = case.consumers.watch(&case.key).await.unwrap();
        let released = case.update(&pulled, LeaseUpdate::Release).await;
        assert_eq!(released, [true, true]);
        let woken = tokio::time::timeout(SOON, watcher.changed()).await;
        assert!(woken.is_ok(), "a release wakes a watcher");
        assert_eq!(case.ack(&pulled).await, [false, false]);
        case.check_counts(counts(3, 0, 0, 0)).await;
    }
    let pulled = case.pull(3).await;
    assert_eq!(ids(&pulled), given);
    assert_eq!(attempts(&pulled), [2, 1, 1]);
}

/// Other leases of the same pull stay, and a stale token changes nothing. A message that a client
/// deleted during its lease ends with it.
pub async fn a_release_takes_the_valid_leases_it_names(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let given = case.append(4).await;
    let leases = case.pull(4).await;
    assert_eq!(case.ack(&leases[..1]).await, [true]);
    case.delete(given[2]).await;
    let released = case.update(&leases[..3], LeaseUpdate::Release).await;
    assert_eq!(released, [false, true, true]);
    case.check_counts(counts(1, 1, 0, 0)).await;
    assert_eq!(ids(&case.pull(10).await), given[1..2]);
    assert_eq!(case.ack(&leases[3..]).await, [true]);
}

/// Of two calls at once, one is valid.
pub async fn concurrent_acknowledgements_settle_once(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    case.append(20).await;
    let request = request(20, None);
    let pulled = case.consumers.pull(&case.key, request).await.unwrap();
    let leases = held(&pulled.messages, request.nonce);
    let tokens: Vec<_> = leases.iter().map(|held| held.token).collect();
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..4 {
        let (consumers, key) = (harness.other_consumers().await, case.key.clone());
        let tokens = tokens.clone();
        calls.spawn(async move {
            let update = if number % 2 == 0 {
                LeaseUpdate::Ack
            } else {
                nack(Some(LONG), None)
            };
            consumers
                .update_leases(&key, &tokens, update)
                .await
                .unwrap()
                .valid
        });
    }
    let outcomes = calls.join_all().await;
    for place in 0..20 {
        let valid = outcomes.iter().filter(|outcome| outcome[place]).count();
        assert_eq!(valid, 1, "of lease {place}");
    }
    assert_eq!(case.counts().await.in_flight, 0);
}
