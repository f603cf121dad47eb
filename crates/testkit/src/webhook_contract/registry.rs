//! Creating, changing, listing and deleting webhooks.

use std::collections::BTreeSet;

use posthorn_application::{
    ConsumerError, MAX_CONSUMERS_PER_TOPIC, PageLimit, Precondition, PutWebhook, RequeueRequest,
    WebhookIncarnation,
};
use posthorn_domain::{
    ConsumerKey, ConsumerKind, ConsumerPosition, DisableReason, MessageId, WebhookHealth,
};

use super::WebhookHarness;
use super::support::{WebhookCase, attempt, key, put, settings, tag};
use crate::samples;

/// With every setting, and as a consumer with the settings that follow from them.
pub async fn a_webhook_is_created_with_its_record(harness: impl WebhookHarness) {
    let case = WebhookCase::without_webhook(&harness);
    for number in [1, 2, 3] {
        let key = key(&case.topic, &format!("w{number}"));
        let created = case.webhooks.put_webhook(&key, put(number)).await.unwrap();
        assert!(created.created);
        assert_eq!(created.status.record, put(number).record);
        assert_eq!(created.status.health, WebhookHealth::default());
        assert_eq!(created.status.consumer.key, key);
        assert_eq!(case.webhooks.webhook(&key).await, Ok(created.status));
        let consumer = case.consumers.status(&key).await.unwrap();
        assert_eq!(consumer.settings, settings(number).consumer_settings());
        assert_eq!(consumer.tag, tag(number));
        assert_eq!(case.webhooks.attempts(&key).await, Ok(vec![]));
    }
}

/// Messages, health, attempts, and whether it is disabled. The position counts at creation only.
pub async fn a_put_replaces_the_record_and_keeps_the_rest(harness: impl WebhookHarness) {
    let case = WebhookCase::new(&harness).await;
    case.append(3).await;
    case.pull(1).await;
    let attempts = [attempt(1, 200), attempt(2, 500)];
    let recorded = case
        .webhooks
        .record_attempts(&case.key, case.incarnation().await, &attempts)
        .await;
    let disabled = Some(DisableReason::NoSuccess);
    assert_eq!(
        case.webhooks.set_disabled(&case.key, disabled, None).await,
        Ok(true)
    );
    for number in [2, 3] {
        let put = PutWebhook {
            start: ConsumerPosition::Newest,
            ..put(number)
        };
        let replaced = case
            .webhooks
            .put_webhook(&case.key, put.clone())
            .await
            .unwrap();
        assert!(!replaced.created);
        assert_eq!(replaced.status, case.status().await);
        assert_eq!(replaced.status.record, put.record);
        assert_eq!(replaced.status.consumer.tag, tag(number));
        let health = WebhookHealth {
            disabled,
            ..recorded.clone().unwrap()
        };
        assert_eq!(replaced.status.health, health);
        assert_eq!(case.counts().await, (2, 1, 0));
        assert_eq!(case.webhooks.attempts(&case.key).await.unwrap().len(), 2);
    }
}

/// As that of a consumer.
pub async fn a_precondition_is_decided_with_the_put(harness: impl WebhookHarness) {
    let case = WebhookCase::without_webhook(&harness);
    let put = async |number, precondition| {
        let put = PutWebhook {
            precondition,
            ..put(number)
        };
        let put = case.webhooks.put_webhook(&case.key, put).await;
        put.map(|put| put.created)
    };
    let failed = Err(ConsumerError::PreconditionFailed);
    assert_eq!(put(1, Precondition::Exists).await, failed);
    assert_eq!(
        case.webhooks.webhook(&case.key).await,
        Err(ConsumerError::NotFound)
    );
    assert_eq!(put(1, Precondition::Absent).await, Ok(true));
    assert_eq!(put(2, Precondition::Absent).await, failed);
    assert_eq!(put(2, Precondition::Matches(vec![tag(2)])).await, failed);
    assert_eq!(case.status().await.record, super::support::put(1).record);
    assert_eq!(
        put(2, Precondition::Matches(vec![tag(2), tag(1)])).await,
        Ok(false)
    );
    assert_eq!(case.status().await.record, super::support::put(2).record);
}

/// Those of one topic, without consumers.
pub async fn webhooks_are_listed_by_name(harness: impl WebhookHarness) {
    let case = WebhookCase::without_webhook(&harness);
    let other = samples::topic("other");
    assert_eq!(case.webhooks.webhooks(&other).await, Ok(vec![]));
    let of_other = key(&other, "o");
    case.webhooks.put_webhook(&of_other, put(9)).await.unwrap();
    let mut expected = Vec::new();
    for (name, number) in [("c", 3), ("a", 1), ("b", 2)] {
        let key = key(&case.topic, name);
        expected.push(
            case.webhooks
                .put_webhook(&key, put(number))
                .await
                .unwrap()
                .status,
        );
    }
    let consumer = ConsumerKey {
        kind: ConsumerKind::Consumer,
        ..key(&case.topic, "b")
    };
    case.consumers
        .put(&consumer, put(1).consumer())
        .await
        .unwrap();
    expected.sort_by(|one, other| one.consumer.key.cmp(&other.consumer.key));
    assert_eq!(case.webhooks.webhooks(&case.topic).await, Ok(expected));
    let topics = case
        .consumers
        .topics_with_consumers(None, PageLimit::MAX)
        .await;
    assert_eq!(topics, Ok(vec![other, case.topic]));
}

#[track_caller]
fn no_webhook(key: &ConsumerKey, case: &WebhookCase) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    let (webhooks, key) = (case.webhooks.clone(), key.clone());
    async move {
        let absent = ConsumerError::NotFound;
        let at = format!("at {caller}");
        assert_eq!(
            webhooks.webhook(&key).await.err(),
            Some(absent.clone()),
            "{at}"
        );
        for reason in [None, Some(DisableReason::Gone)] {
            let disabled = webhooks.set_disabled(&key, reason, None).await;
            assert_eq!(disabled.err(), Some(absent.clone()), "{at}");
        }
        let recorded = webhooks
            .record_attempts(&key, WebhookIncarnation::default(), &[attempt(1, 200)])
            .await;
        assert_eq!(recorded.err(), Some(absent.clone()), "{at}");
        assert_eq!(webhooks.attempts(&key).await.err(), Some(absent), "{at}");
        assert_eq!(webhooks.webhooks(&key.topic).await, Ok(vec![]), "{at}");
    }
}

/// By every operation.
pub async fn an_absent_webhook_is_not_found(harness: impl WebhookHarness) {
    let case = WebhookCase::without_webhook(&harness);
    no_webhook(&case.key, &case).await;
    case.append(1).await;
    no_webhook(&case.key, &case).await;
    let request = RequeueRequest {
        from: MessageId::MIN,
        to: MessageId::MAX,
        limit: PageLimit::MAX,
    };
    let requeued = case.webhooks.requeue(&case.key, request).await;
    assert_eq!(requeued, Err(ConsumerError::NotFound));
}

/// Until it gets one.
pub async fn a_consumer_without_a_record_is_no_webhook(harness: impl WebhookHarness) {
    let case = WebhookCase::without_webhook(&harness);
    case.consumers
        .put(&case.key, put(1).consumer())
        .await
        .unwrap();
    no_webhook(&case.key, &case).await;
    let put = case.webhooks.put_webhook(&case.key, put(2)).await.unwrap();
    assert!(!put.created);
    assert_eq!(
        case.webhooks.webhooks(&case.topic).await,
        Ok(vec![put.status])
    );
}

/// Also not in a webhook of the same name.
pub async fn a_deleted_webhook_leaves_nothing(harness: impl WebhookHarness) {
    let case = WebhookCase::new(&harness).await;
    case.append(2).await;
    case.pull(1).await;
    let attempts = [attempt(1, 500), attempt(2, 410)];
    case.webhooks
        .record_attempts(&case.key, case.incarnation().await, &attempts)
        .await
        .unwrap();
    let gone = Some(DisableReason::Gone);
    case.webhooks
        .set_disabled(&case.key, gone, None)
        .await
        .unwrap();
    let delete = async || case.consumers.delete(&case.key, &Precondition::None).await;
    assert_eq!(delete().await, Ok(()));
    no_webhook(&case.key, &case).await;
    assert_eq!(delete().await, Err(ConsumerError::NotFound));
    let again = case.webhooks.put_webhook(&case.key, put(2)).await.unwrap();
    assert!(again.created);
    assert_eq!(again.status.health, WebhookHealth::default());
    assert_eq!(case.webhooks.attempts(&case.key).await, Ok(vec![]));
    assert_eq!(case.counts().await, (2, 0, 0));
}

/// Those and webhooks together are limited.
pub async fn webhooks_count_among_the_consumers_of_a_topic(harness: impl WebhookHarness) {
    let case = WebhookCase::without_webhook(&harness);
    for number in 0..MAX_CONSUMERS_PER_TOPIC {
        let key = key(&case.topic, &number.to_string());
        if number.is_multiple_of(2) {
            case.webhooks.put_webhook(&key, put(1)).await.unwrap();
        } else {
            let key = ConsumerKey {
                kind: ConsumerKind::Consumer,
                ..key
            };
            case.consumers.put(&key, put(1).consumer()).await.unwrap();
        }
    }
    let one_more = case.webhooks.put_webhook(&case.key, put(1)).await;
    assert_eq!(one_more, Err(ConsumerError::LimitReached));
    let listed = case.webhooks.webhooks(&case.topic).await.unwrap();
    let names: BTreeSet<_> = listed
        .iter()
        .map(|status| &status.consumer.key.name)
        .collect();
    assert_eq!(names.len(), MAX_CONSUMERS_PER_TOPIC / 2);
}

/// Of several at once.
pub async fn concurrent_puts_create_one_webhook(harness: impl WebhookHarness) {
    let case = WebhookCase::without_webhook(&harness);
    let puts = (1..=8).map(|number| {
        let (webhooks, key) = (case.webhooks.clone(), case.key.clone());
        let put = PutWebhook {
            precondition: Precondition::Absent,
            ..put(number)
        };
        tokio::spawn(async move { webhooks.put_webhook(&key, put).await })
    });
    let mut created = Vec::new();
    for put in puts.collect::<Vec<_>>() {
        match put.await.unwrap() {
            Ok(put) => created.push(put),
            Err(error) => assert_eq!(error, ConsumerError::PreconditionFailed),
        }
    }
    assert_eq!(created.len(), 1);
    assert_eq!(case.status().await, created[0].status);
}
