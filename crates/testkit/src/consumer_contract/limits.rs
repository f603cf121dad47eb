//! The bounds of a consumer.

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    ByteBudget, ConsumerCounts, DeadLetterRequest, LeaseUpdate, MAX_DEAD_LETTERS, PageLimit,
};
use posthorn_domain::ConsumerOptions;

use super::ConsumerHarness;
use super::support::{
    ConsumerCase, LONG, counts, dead_ids, held, ids, nack, one_attempt, options, put, request,
};
use crate::samples;

fn at_most(max_in_flight: u64) -> ConsumerOptions {
    ConsumerOptions {
        max_in_flight: Some(max_in_flight),
        ..options()
    }
}

/// Whatever is due, redeliveries too; each end of a lease lets another message out.
pub async fn max_in_flight_bounds_the_leases(harness: impl ConsumerHarness) {
    let case = ConsumerCase::new(&harness, at_most(3)).await;
    let given = case.append(6).await;
    let leases = case.pull(200).await;
    assert_eq!(ids(&leases), given[..3]);
    assert_eq!(case.pull(200).await, []);
    case.nack(&leases[1..2], None).await;
    let again = case.pull(200).await;
    assert_eq!(ids(&again), given[1..2]);
    case.ack(&leases[..1]).await;
    case.update(&leases[2..], nack(Some(LONG), None)).await;
    assert_eq!(ids(&case.pull(200).await), given[3..5]);
    case.check_counts(counts(2, 3, 0, 0)).await;
    let returned = case.consumers.give_back(&case.key, again[0].token.nonce);
    assert_eq!(returned.await, Ok(()));
    assert_eq!(ids(&case.pull(200).await), given[1..2]);
}

/// Long messages end a pull before its limit, new ones and redeliveries; nothing is passed over.
pub async fn a_pull_of_long_messages_ends_at_its_bytes(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let text = "\u{1f4ef}".repeat(1_000);
    let mut given = Vec::new();
    for _ in 0..100 {
        let append = samples::append(&case.topic, &text);
        given.push(case.store.append(append).await.unwrap().receipt.id);
    }
    // One message more than fits is allowed: a store may notice with the first that does not.
    let most = ByteBudget::MAX / text.len() + 1;
    for _ in 0..2 {
        let (first, pulled) = case.pull_for(200, None).await;
        assert!((most / 2..=most).contains(&first.len()), "{}", first.len());
        assert!(pulled.more);
        let rest = case.pull_all().await;
        assert_eq!([ids(&first), ids(&rest)].concat(), given);
        for leases in [first, rest] {
            case.update(&leases, nack(Some(Duration::ZERO), None)).await;
        }
    }
}

/// Long messages end a page of dead letters before its limit; the pages together have all.
pub async fn a_page_of_long_dead_letters_ends_at_its_bytes(harness: impl ConsumerHarness) {
    let case = ConsumerCase::new(&harness, one_attempt()).await;
    let text = "\u{1f4ef}".repeat(1_000);
    let mut given = Vec::new();
    for _ in 0..100 {
        let append = samples::append(&case.topic, &text);
        given.push(case.store.append(append).await.unwrap().receipt.id);
    }
    for leases in [case.pull(200).await, case.pull(200).await] {
        case.nack(&leases, None).await;
    }
    let request = DeadLetterRequest {
        after: None,
        limit: PageLimit::MAX,
    };
    let page = case.consumers.dead_letters(&case.key, request);
    let page = page.await.unwrap();
    let most = ByteBudget::MAX / text.len();
    let found = page.letters.len();
    assert!((most / 2..=most).contains(&found), "{found}");
    assert!(page.has_more);
    assert_eq!(dead_ids(&case.dead().await), given);
}

/// Redeliveries and new messages together, and each acknowledgement settles its own leases.
pub async fn concurrent_pulls_stay_within_max_in_flight(harness: impl ConsumerHarness) {
    let case = ConsumerCase::new(&harness, at_most(20)).await;
    let given = case.append(40).await;
    let failed = case.pull(5).await;
    case.nack(&failed, None).await;
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (consumers, key) = (Arc::clone(&case.consumers), case.key.clone());
        workers.spawn(async move {
            let request = request(3, None);
            let pulled = consumers.pull(&key, request).await.unwrap();
            held(&pulled.messages, request.nonce)
        });
    }
    let mut pulls = workers.join_all().await;
    let mut leased: Vec<_> = pulls.iter().flat_map(|pull| ids(pull)).collect();
    leased.sort_unstable();
    assert_eq!(leased, given[..20]);
    case.check_counts(counts(20, 20, 0, 0)).await;

    pulls.retain(|pull| !pull.is_empty());
    let mut workers = tokio::task::JoinSet::new();
    for pull in pulls {
        let (consumers, key) = (Arc::clone(&case.consumers), case.key.clone());
        workers.spawn(async move {
            let tokens: Vec<_> = pull.iter().map(|held| held.token).collect();
            let update = consumers.update_leases(&key, &tokens, LeaseUpdate::Ack);
            assert_eq!(update.await.unwrap().valid, vec![true; tokens.len()]);
        });
    }
    workers.join_all().await;
    case.check_counts(counts(20, 0, 0, 0)).await;
}

/// It counts at the next pull.
pub async fn a_lower_max_in_flight_leaves_leases_valid(harness: impl ConsumerHarness) {
    let case = ConsumerCase::new(&harness, at_most(3)).await;
    case.append(5).await;
    let leases = case.pull(3).await;
    let lowered = case.consumers.put(&case.key, put(at_most(1))).await;
    assert_eq!(lowered.unwrap().status.counts, counts(2, 3, 0, 0));
    assert_eq!(case.pull(5).await, []);
    assert_eq!(case.ack(&leases[..2]).await, [true, true]);
    assert_eq!(case.pull(5).await, []);
    assert_eq!(case.ack(&leases[2..]).await, [true]);
    assert_eq!(case.pull(5).await.len(), 1);
    let raised = case.consumers.put(&case.key, put(at_most(3))).await;
    assert_eq!(raised.unwrap().status.counts, counts(1, 1, 0, 0));
    assert_eq!(case.pull(5).await.len(), 1);
}

/// Those with the smallest ids, and counted.
pub async fn the_first_dead_letters_are_dropped_above_the_limit(harness: impl ConsumerHarness) {
    let case = ConsumerCase::new(&harness, one_attempt()).await;
    let total = MAX_DEAD_LETTERS + 150;
    for _ in (0..total).step_by(50) {
        // At once, so that a store that syncs does so for all of them together.
        let mut appends = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let (store, append) = (case.store.clone(), samples::append(&case.topic, "x"));
            appends.spawn(async move { store.append(append).await.unwrap() });
        }
        appends.join_all().await;
    }
    let mut killed = Vec::new();
    while killed.len() < total {
        killed.extend(case.kill(50).await);
    }
    let expected = ConsumerCounts {
        dead_dropped: 150,
        ..counts(0, 0, u64::try_from(MAX_DEAD_LETTERS).unwrap(), 0)
    };
    case.check_counts(expected).await;
    assert_eq!(dead_ids(&case.dead().await), killed[150..]);
}

/// Also after deletion and retention of some of them.
pub async fn a_thousand_waiting_entries_are_counted_exactly(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let given = case.append(1_200).await;
    for _ in 0..5 {
        let leases = case.pull(200).await;
        case.update(&leases, nack(Some(LONG), None)).await;
    }
    case.check_counts(counts(1_200, 0, 0, 0)).await;
    for id in [given[0], given[999], given[1_199]] {
        case.delete(id).await;
    }
    case.check_counts(counts(1_197, 0, 0, 0)).await;
    case.keep(100).await;
    case.check_counts(counts(100, 0, 0, 1_097)).await;
}
