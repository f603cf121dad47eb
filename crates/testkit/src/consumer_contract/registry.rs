//! Creating, changing, listing and deleting consumers.

use posthorn_application::{
    ConsumerError, DeadLetterRequest, LeaseUpdate, PageLimit, Precondition, PutConsumer,
};
use posthorn_domain::{
    ConsumerKind, ConsumerOptions, ConsumerPosition, ConsumerSettings, MessageId,
};

use super::ConsumerHarness;
use super::support::{
    ConsumerCase, append_many, counts, key, nonce, one_attempt, options, put, request, tag,
};
use crate::samples::{limit, topic};

/// The topic need not hold a message.
pub async fn a_consumer_is_created_with_its_settings(harness: impl ConsumerHarness) {
    let case = ConsumerCase::without_consumer(&harness);
    let options = ConsumerOptions {
        lease_seconds: Some(1.25),
        max_attempts: Some(1_000),
        backoff_seconds: Some(vec![0.001, 86_400.0]),
        max_in_flight: Some(10_000),
    };
    let created = case.consumers.put(&case.key, put(options.clone())).await;
    let created = created.unwrap();
    assert!(created.created);
    let status = case.status().await;
    assert_eq!(status, created.status);
    assert_eq!(status.key, case.key);
    assert_eq!(status.settings, ConsumerSettings::parse(&options).unwrap());
    assert_eq!(status.tag, tag(1));
    assert_eq!(status.counts, counts(0, 0, 0, 0));
    assert_eq!(
        (status.oldest_waiting_at, status.last_pull_at),
        (None, None)
    );
}

/// Position, leases, dead letters and counters stay.
pub async fn a_put_replaces_the_settings_and_keeps_the_rest(harness: impl ConsumerHarness) {
    let case = ConsumerCase::new(&harness, one_attempt()).await;
    let ids = case.append(4).await;
    case.kill(1).await;
    let leases = case.pull(1).await;
    let before = case.status().await;
    let put = PutConsumer {
        tag: tag(2),
        ..put(options())
    };
    let outcome = case.consumers.put(&case.key, put).await.unwrap();
    assert!(!outcome.created);
    assert_eq!(outcome.status.settings.max_attempts.get(), 5);
    assert_eq!(outcome.status.tag, tag(2));
    assert_eq!(outcome.status.counts, counts(2, 1, 1, 0));
    assert_eq!(outcome.status.last_pull_at, before.last_pull_at);
    assert_eq!(case.ack(&leases).await, [true]);
    assert_eq!(case.pull(1).await[0].id, ids[2]);
}

/// Nothing changes when it fails.
pub async fn a_precondition_is_decided_with_the_put(harness: impl ConsumerHarness) {
    let case = ConsumerCase::without_consumer(&harness);
    let put = async |number, precondition| {
        let put = PutConsumer {
            tag: tag(number),
            precondition,
            ..put(options())
        };
        let outcome = case.consumers.put(&case.key, put).await;
        outcome.map(|outcome| outcome.created)
    };
    let failed = Err(ConsumerError::PreconditionFailed);
    assert_eq!(put(1, Precondition::Exists).await, failed);
    assert_eq!(put(1, Precondition::Matches(vec![tag(1)])).await, failed);
    assert_eq!(
        case.consumers.status(&case.key).await,
        Err(ConsumerError::NotFound)
    );
    assert_eq!(put(1, Precondition::Absent).await, Ok(true));
    assert_eq!(put(2, Precondition::Absent).await, failed);
    assert_eq!(put(2, Precondition::Matches(vec![])).await, failed);
    assert_eq!(put(2, Precondition::Matches(vec![tag(3)])).await, failed);
    assert_eq!(case.status().await.tag, tag(1));
    let either = Precondition::Matches(vec![tag(3), tag(1)]);
    assert_eq!(put(2, either).await, Ok(false));
    assert_eq!(put(3, Precondition::Exists).await, Ok(false));
    assert_eq!(case.status().await.tag, tag(3));
    let either = Precondition::Differs(vec![tag(2), tag(3)]);
    assert_eq!(put(4, either).await, failed);
    assert_eq!(put(4, Precondition::Differs(vec![tag(2)])).await, Ok(false));
    case.consumers
        .delete(&case.key, &Precondition::None)
        .await
        .unwrap();
    assert_eq!(put(5, Precondition::Differs(vec![tag(4)])).await, Ok(true));
}

/// An absent consumer is not found, whatever the precondition.
pub async fn a_precondition_is_decided_with_the_deletion(harness: impl ConsumerHarness) {
    let case = ConsumerCase::without_consumer(&harness);
    let delete = async |precondition| case.consumers.delete(&case.key, &precondition).await;
    let matching = Precondition::Matches(vec![tag(1)]);
    let other = Precondition::Matches(vec![tag(2)]);
    assert_eq!(delete(matching.clone()).await, Err(ConsumerError::NotFound));
    case.create(&case.key, options()).await;
    assert_eq!(delete(other).await, Err(ConsumerError::PreconditionFailed));
    assert_eq!(delete(matching).await, Ok(()));
    case.create(&case.key, options()).await;
    assert_eq!(delete(Precondition::None).await, Ok(()));
    assert_eq!(
        delete(Precondition::None).await,
        Err(ConsumerError::NotFound)
    );
}

/// A consumer and a webhook of one name are two.
pub async fn consumers_are_listed_by_name_and_kind(harness: impl ConsumerHarness) {
    let case = ConsumerCase::without_consumer(&harness);
    let other_topic = topic("work2");
    for name in ["b", "a.x", "a"] {
        case.create(&key(&case.topic, name), options()).await;
    }
    let mut webhook = key(&case.topic, "b");
    webhook.kind = ConsumerKind::Webhook;
    case.create(&webhook, one_attempt()).await;
    case.create(&key(&other_topic, "a"), options()).await;
    append_many(&*case.store, &case.topic, 3).await;

    let list = async |kind| case.consumers.list(&case.topic, kind).await.unwrap();
    let consumers = list(ConsumerKind::Consumer).await;
    let names: Vec<_> = consumers
        .iter()
        .map(|found| found.key.name.as_str())
        .collect();
    assert_eq!(names, ["a", "a.x", "b"]);
    for consumer in consumers {
        assert_eq!(case.consumers.status(&consumer.key).await, Ok(consumer));
    }
    let webhooks = list(ConsumerKind::Webhook).await;
    assert_eq!(webhooks.len(), 1);
    assert_eq!(webhooks[0].key, webhook);
    assert_eq!(webhooks[0].settings.max_attempts.get(), 1);
    assert_eq!(webhooks[0].counts.waiting, 3);
    let none = topic("none");
    let nothing = case.consumers.list(&none, ConsumerKind::Consumer).await;
    assert_eq!(nothing, Ok(vec![]));
}

/// Also those that hold no message, and once whatever the number of consumers.
pub async fn topics_with_consumers_are_listed_by_name(harness: impl ConsumerHarness) {
    let case = ConsumerCase::without_consumer(&harness);
    append_many(&*case.store, &topic("bare"), 1).await;
    for (name, consumer) in [("c", "x"), ("a", "x"), ("b", "x"), ("b", "y")] {
        case.create(&key(&topic(name), consumer), options()).await;
    }
    let list = async |after: Option<&str>, most| {
        let after = after.map(topic);
        let found = case
            .consumers
            .topics_with_consumers(after.as_ref(), limit(most));
        let found = found.await.unwrap();
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(list(None, 200).await, ["a", "b", "c"]);
    assert_eq!(list(None, 2).await, ["a", "b"]);
    assert_eq!(list(Some("b"), 2).await, ["c"]);
    assert_eq!(list(Some("aa"), 1).await, ["b"]);
    for consumer in ["x", "y"] {
        let key = key(&topic("b"), consumer);
        let deleted = case.consumers.delete(&key, &Precondition::None).await;
        assert_eq!(deleted, Ok(()));
    }
    assert_eq!(list(None, 200).await, ["a", "c"]);
}

/// Webhooks count too; changing one at the limit is no creation.
pub async fn a_topic_has_at_most_sixty_four_consumers(harness: impl ConsumerHarness) {
    let case = ConsumerCase::without_consumer(&harness);
    for number in 0..64 {
        let mut key = key(&case.topic, &format!("c{number}"));
        if number % 2 == 0 {
            key.kind = ConsumerKind::Webhook;
        }
        case.create(&key, options()).await;
    }
    let mut more = key(&case.topic, "more");
    for kind in [ConsumerKind::Consumer, ConsumerKind::Webhook] {
        more.kind = kind;
        let outcome = case.consumers.put(&more, put(options())).await;
        assert_eq!(outcome, Err(ConsumerError::LimitReached));
    }
    let conditional = PutConsumer {
        precondition: Precondition::Exists,
        ..put(options())
    };
    assert_eq!(
        case.consumers.put(&more, conditional).await,
        Err(ConsumerError::PreconditionFailed)
    );
    let last = key(&case.topic, "c63");
    let changed = case.consumers.put(&last, put(options())).await.unwrap();
    assert!(!changed.created);
    case.create(&key(&topic("work2"), "more"), options()).await;
    let deleted = case.consumers.delete(&last, &Precondition::None).await;
    assert_eq!(deleted, Ok(()));
    case.create(&more, options()).await;
}

/// By every operation.
pub async fn an_absent_consumer_is_not_found(harness: impl ConsumerHarness) {
    let case = ConsumerCase::without_consumer(&harness);
    case.create(&key(&case.topic, "other"), options()).await;
    append_many(&*case.store, &case.topic, 1).await;
    let (consumers, key) = (&case.consumers, &case.key);
    let missing = Some(ConsumerError::NotFound);
    assert_eq!(consumers.status(key).await.err(), missing);
    assert_eq!(consumers.pull(key, request(1, None)).await.err(), missing);
    let acked = consumers.update_leases(key, &[], LeaseUpdate::Ack).await;
    assert_eq!(acked.err(), missing);
    assert_eq!(consumers.give_back(key, nonce()).await.err(), missing);
    let sought = consumers.seek(key, ConsumerPosition::Oldest).await;
    assert_eq!(sought.err(), missing);
    let request = DeadLetterRequest {
        after: None,
        limit: PageLimit::MAX,
    };
    let page = consumers.dead_letters(key, request).await;
    assert_eq!(page.err(), missing);
    let redriven = consumers.redrive(key, &[]).await;
    assert_eq!(redriven.err(), missing);
    let deleted = consumers.delete_dead_letter(key, MessageId::MIN).await;
    assert_eq!(deleted.err(), missing);
    assert!(matches!(
        consumers.watch(key).await,
        Err(ConsumerError::NotFound)
    ));
}

/// Under the same name another one is created, for which old tokens are stale.
pub async fn a_deleted_consumer_leaves_nothing(harness: impl ConsumerHarness) {
    let case = ConsumerCase::new(&harness, one_attempt()).await;
    let given = case.append(5).await;
    case.kill(2).await;
    let leases = case.pull(2).await;
    let deleted = case.consumers.delete(&case.key, &Precondition::None).await;
    assert_eq!(deleted, Ok(()));
    case.create(&case.key, options()).await;
    case.check_counts(counts(5, 0, 0, 0)).await;
    assert_eq!(case.status().await.last_pull_at, None);
    assert_eq!(case.ack(&leases).await, [false, false]);
    let again = case.pull(10).await;
    assert_eq!(super::support::ids(&again), given);
    assert_eq!(super::support::attempts(&again), [1; 5]);
    assert_eq!(case.ack(&leases).await, [false, false]);
}

/// With `Absent`, exactly one of many callers creates it.
pub async fn concurrent_puts_create_one_consumer(harness: impl ConsumerHarness) {
    let case = ConsumerCase::without_consumer(&harness);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (consumers, key) = (harness.other_consumers().await, case.key.clone());
        calls.spawn(async move {
            let put = PutConsumer {
                precondition: Precondition::Absent,
                ..put(options())
            };
            consumers
                .put(&key, put)
                .await
                .map(|outcome| outcome.created)
        });
    }
    let mut outcomes = calls.join_all().await;
    outcomes.sort_by_key(Result::is_err);
    assert_eq!(outcomes[0], Ok(true));
    assert!(
        outcomes[1..]
            .iter()
            .all(|outcome| *outcome == Err(ConsumerError::PreconditionFailed))
    );
}
