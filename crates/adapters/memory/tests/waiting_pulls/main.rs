//! Waiting pulls of the consumer service over the memory store, with a fake clock.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    ConsumerError, ConsumerStore, MessageStore, Precondition, PullMessages,
};
use posthorn_domain::{ConsumerOptions, ConsumerPosition, LeaseDuration, RedeliveryDelay};
use posthorn_testkit::{eventually, samples};

use support::{Case, batch, finished, pull, texts};

const SOON: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_message_ends_the_wait_of_the_first_pull_alone() {
    let case = Case::with_defaults().await;
    let mut waits = case.waits(5).await;
    for number in 0..5 {
        case.append(&number.to_string()).await;
        assert_eq!(texts(waits.remove(0).await), [number.to_string()]);
        assert_eq!(finished(&waits), 0);
    }
}

#[tokio::test]
async fn several_messages_at_once_end_as_many_waits() {
    let case = Case::with_defaults().await;
    let mut waits = case.waits(6).await;
    for number in 0..4 {
        case.append(&number.to_string()).await;
    }
    let rest = waits.split_off(4);
    let mut seen = Vec::new();
    for wait in waits {
        seen.extend(texts(wait.await));
    }
    seen.sort_unstable();
    assert_eq!(seen, ["0", "1", "2", "3"]);
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert_eq!(finished(&rest), 0);
}

#[tokio::test]
async fn a_wait_takes_what_its_limit_allows() {
    let case = Case::with_defaults().await;
    let wait = case.wait_for(3);
    case.clock.wait_for_sleepers(1).await;
    for number in 0..5 {
        case.append(&number.to_string()).await;
    }
    assert_eq!(texts(wait.await).len(), 3);
    assert_eq!(case.pull().await.messages.len(), 2);
}

#[tokio::test]
async fn a_wait_ends_empty_at_its_time() {
    let case = Case::with_defaults().await;
    let waits = case.waits(3).await;
    case.clock.advance(20 * SECOND);
    for wait in waits {
        assert_eq!(texts(wait.await), Vec::<String>::new());
    }
    assert_eq!(case.clock.sleepers(), 0);
}

#[tokio::test]
async fn a_due_redelivery_ends_a_wait_to_the_millisecond() {
    let case = Case::with_defaults().await;
    case.append("x").await;
    let pulled = case.pull().await;
    let delay = Some(RedeliveryDelay::parse(5.0).unwrap());
    let nack = case
        .service
        .nack(&case.key, batch(&pulled), delay, None)
        .await;
    assert_eq!(nack.unwrap().settled, 1);
    pulled.guard.delivered();
    let wait = case.wait();
    // Its deadline, and the time at which the message is due.
    case.clock.wait_for_sleepers(2).await;
    case.clock.advance(Duration::from_millis(4_999));
    tokio::task::yield_now().await;
    assert!(!wait.is_finished());
    case.clock.advance(Duration::from_millis(1));
    assert_eq!(texts(wait.await), ["x"]);
}

#[tokio::test]
async fn an_expired_lease_ends_a_wait() {
    let options = ConsumerOptions {
        lease_seconds: Some(3.0),
        ..ConsumerOptions::default()
    };
    let case = Case::new(options).await;
    case.append("x").await;
    let pulled = case.pull().await;
    pulled.guard.delivered();
    let wait = case.wait();
    case.clock.wait_for_sleepers(2).await;
    case.clock.advance(3 * SECOND);
    assert_eq!(texts(wait.await), ["x"]);
}

#[tokio::test]
async fn a_lease_granted_during_a_wait_is_known_to_it() {
    let case = Case::with_defaults().await;
    let wait = case.wait_for(1);
    case.clock.wait_for_sleepers(1).await;
    // Another worker is faster: the wait finds nothing, but learns when the lease ends.
    let append = samples::append(&case.key.topic, "x");
    let (appended, pulled) = tokio::join!(case.store.append(append), async {
        let lease = Some(LeaseDuration::parse(2.0).unwrap());
        let pull = PullMessages {
            lease,
            ..pull(1, 0.0)
        };
        case.service.pull(&case.key, pull).await.unwrap()
    });
    appended.unwrap();
    assert_eq!(pulled.messages.len(), 1);
    pulled.guard.delivered();
    case.clock.wait_for_sleepers(2).await;
    case.clock.advance(2 * SECOND);
    assert_eq!(texts(wait.await), ["x"]);
}

#[tokio::test]
async fn freed_capacity_ends_a_wait() {
    let options = ConsumerOptions {
        max_in_flight: Some(1),
        ..ConsumerOptions::default()
    };
    let case = Case::new(options).await;
    case.append("first").await;
    case.append("second").await;
    let pulled = case.pull().await;
    assert_eq!(pulled.messages.len(), 1);
    let wait = case.wait();
    case.clock.wait_for_sleepers(2).await;
    let acked = case.service.ack(&case.key, batch(&pulled)).await.unwrap();
    assert_eq!((acked.settled, acked.stale.len()), (1, 0));
    assert_eq!(texts(wait.await), ["second"]);
    pulled.guard.delivered();
}

#[tokio::test]
async fn a_seek_ends_a_wait_with_what_it_frees() {
    let case = Case::with_defaults().await;
    case.append("x").await;
    case.pull().await.guard.delivered();
    let wait = case.wait();
    case.clock.wait_for_sleepers(2).await;
    let sought = case.service.seek(&case.key, ConsumerPosition::Newest).await;
    sought.unwrap();
    tokio::task::yield_now().await;
    assert!(!wait.is_finished());
    let sought = case.service.seek(&case.key, ConsumerPosition::Oldest).await;
    sought.unwrap();
    assert_eq!(texts(wait.await), ["x"]);
}

#[tokio::test]
async fn a_deletion_ends_every_wait_with_not_found() {
    let case = Case::with_defaults().await;
    let waits = case.waits(4).await;
    let deleted = case.service.delete(&case.key, &Precondition::None).await;
    assert_eq!(deleted, Ok(()));
    for wait in waits {
        assert_eq!(wait.await.unwrap().err(), Some(ConsumerError::NotFound));
    }
}

#[tokio::test]
async fn a_stop_ends_all_waits_and_those_that_come() {
    let case = Case::with_defaults().await;
    let waits = case.waits(4).await;
    case.service.stop_waiting();
    for wait in waits {
        assert_eq!(texts(wait.await), Vec::<String>::new());
    }
    assert_eq!(texts(case.wait().await), Vec::<String>::new());
    case.append("x").await;
    assert_eq!(texts(case.wait().await), ["x"], "what is due comes still");
}

#[tokio::test]
async fn a_closed_store_ends_every_wait() {
    let case = Case::with_defaults().await;
    let waits = case.waits(3).await;
    case.store.close().await;
    for wait in waits {
        let error = wait.await.unwrap().err();
        assert!(matches!(error, Some(ConsumerError::Store(_))), "{error:?}");
    }
}

#[tokio::test]
async fn a_wait_that_is_dropped_takes_no_lease() {
    let case = Case::with_defaults().await;
    let mut waits = case.waits(3).await;
    // The leader, then another one.
    for place in [0, 1] {
        waits[place].abort();
    }
    eventually(SOON, async || finished(&waits) == 2).await;
    case.append("x").await;
    assert_eq!(texts(waits.remove(2).await), ["x"]);
    assert_eq!(case.in_flight().await, 1);
}

#[tokio::test]
async fn leases_of_a_worker_that_is_gone_come_back_at_once() {
    let case = Case::with_defaults().await;
    case.append("x").await;
    let pulled = case.pull().await;
    let lease = pulled.messages[0].lease;
    let wait = case.wait();
    case.clock.wait_for_sleepers(2).await;
    drop(pulled);
    let again = wait.await.unwrap().unwrap();
    assert_eq!(again.messages[0].attempt.get(), 1);
    assert_ne!(again.messages[0].lease, lease);
    again.guard.delivered();
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert_eq!(case.in_flight().await, 1, "a delivered lease stays");
}

#[tokio::test]
async fn ten_thousand_idle_waits_share_one_timer_and_wake_one_by_one() {
    const WAITS: usize = 10_000;
    let case = Case::with_defaults().await;
    case.append("leased").await;
    let leased = case.pull().await;
    let mut waits: Vec<_> = (0..WAITS).map(|_| case.wait()).collect();
    // A deadline for each, and one timer for the end of the lease.
    case.clock.wait_for_sleepers(WAITS + 1).await;
    assert_eq!(case.clock.sleepers(), WAITS + 1);
    for number in 0..10 {
        case.append(&number.to_string()).await;
        eventually(SOON, async || finished(&waits) == number + 1).await;
    }
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert_eq!(finished(&waits), 10);
    case.service.stop_waiting();
    for wait in waits.drain(..) {
        texts(wait.await);
    }
    leased.guard.delivered();
    assert_eq!(case.in_flight().await, 11);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_workers_lose_and_repeat_nothing() {
    const MESSAGES: usize = 3_000;
    let case = Arc::new(Case::with_defaults().await);
    let mut workers = tokio::task::JoinSet::new();
    for number in 0..32_u64 {
        let case = case.clone();
        workers.spawn(async move {
            let mut seen = Vec::new();
            loop {
                let wait = case.service.pull(&case.key, pull(1 + number % 3, 20.0));
                let Ok(pulled) = wait.await else {
                    return seen;
                };
                if pulled.messages.is_empty() {
                    return seen;
                }
                if number % 4 == 0 && pulled.messages[0].message.id.sequence() % 3 == 0 {
                    // Gone before it has them.
                    drop(pulled);
                    tokio::task::yield_now().await;
                    continue;
                }
                let acked = case.service.ack(&case.key, batch(&pulled)).await.unwrap();
                assert_eq!(acked.settled, pulled.messages.len());
                seen.extend(pulled.messages.iter().map(|pulled| pulled.message.id));
                pulled.guard.delivered();
            }
        });
    }
    for number in 0..MESSAGES {
        case.append(&number.to_string()).await;
        if number % 7 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let store: &dyn ConsumerStore = &*case.store;
    eventually(SOON, async || {
        let counts = store.status(&case.key).await.unwrap().counts;
        counts.waiting + counts.in_flight == 0
    })
    .await;
    case.service.stop_waiting();
    let mut seen = workers.join_all().await.concat();
    assert_eq!(seen.len(), MESSAGES);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), MESSAGES);
}
