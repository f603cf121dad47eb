//! Making settled messages wait again.

use std::time::Duration;

use posthorn_application::{
    Anchor, LeaseUpdate, Page, PageLimit, PageRequest, PullRequest, PutWebhook, Requeued,
    RetentionPolicy,
};
use posthorn_domain::{ConsumerPosition, FailureReason, MessageId, PullLimit};

use super::WebhookHarness;
use super::support::{WebhookCase, ids, nonce, put};

const DAY: Duration = Duration::from_hours(24);

fn queued(queued: u64) -> Requeued {
    Requeued { queued, next: None }
}

fn nack(delay: Option<Duration>) -> LeaseUpdate {
    LeaseUpdate::Nack {
        delay,
        reason: Some(FailureReason::parse("no").unwrap()),
    }
}

/// At once, in store order, with attempt 1, and before new messages.
pub async fn settled_messages_wait_again(harness: impl WebhookHarness) {
    let case = WebhookCase::new(&harness).await;
    let mut given = case.append(2).await;
    let tokens = case.pull(2).await;
    case.update(&tokens, nack(None)).await;
    let tokens = case.pull(2).await;
    case.update(&tokens, LeaseUpdate::Ack).await;
    given.extend(case.append(1).await);
    assert_eq!(case.requeue_all().await, queued(2));
    assert_eq!(case.counts().await, (3, 0, 0));
    let tokens = case.pull(9).await;
    assert_eq!(ids(&tokens), given);
    assert!(tokens.iter().all(|token| token.attempt.get() == 1));
    case.update(&tokens, LeaseUpdate::Ack).await;
    assert_eq!(case.counts().await, (0, 0, 0));
    assert!(case.pull(9).await.is_empty());
}

/// One that waits for its next attempt, one under a lease, a dead letter, and a new one.
pub async fn messages_that_are_not_settled_stay(harness: impl WebhookHarness) {
    let case = WebhookCase::new(&harness).await;
    let given = case.append(5).await;
    let tokens = case.pull(4).await;
    case.update(&tokens[..1], nack(Some(DAY))).await;
    case.update(&tokens[1..2], LeaseUpdate::Ack).await;
    // The settings allow three attempts.
    case.update(&tokens[2..3], nack(Some(Duration::ZERO))).await;
    for _ in 0..2 {
        let again = case.pull(1).await;
        assert_eq!(ids(&again), given[2..3]);
        case.update(&again, nack(Some(Duration::ZERO))).await;
    }
    assert_eq!(case.counts().await, (2, 1, 1));
    assert_eq!(case.requeue_all().await, queued(1));
    assert_eq!(case.counts().await, (3, 1, 1));
    case.update(&tokens[3..], LeaseUpdate::Ack).await;
    let pulled = case.pull(9).await;
    assert_eq!(ids(&pulled), [given[1], given[4]]);
}

/// And an empty range is none.
pub async fn both_ends_of_the_range_are_included(harness: impl WebhookHarness) {
    let case = WebhookCase::new(&harness).await;
    let given = case.settle(6).await;
    let max = PageLimit::MAX;
    assert_eq!(case.requeue(given[4], given[1], max).await, queued(0));
    assert_eq!(
        case.requeue(MessageId::MIN, MessageId::MIN, max).await,
        queued(0)
    );
    assert_eq!(
        case.requeue(MessageId::MAX, MessageId::MAX, max).await,
        queued(0)
    );
    assert_eq!(case.requeue(given[1], given[3], max).await, queued(3));
    assert_eq!(ids(&case.pull(9).await), given[1..=3]);
    assert_eq!(case.requeue(given[5], given[5], max).await, queued(1));
    assert_eq!(ids(&case.pull(9).await), given[5..]);
}

/// By the position at creation, and by a seek.
pub async fn skipped_messages_wait_too(harness: impl WebhookHarness) {
    let case = WebhookCase::without_webhook(&harness);
    let given = case.append(3).await;
    let put = PutWebhook {
        start: ConsumerPosition::Newest,
        ..put(1)
    };
    case.webhooks.put_webhook(&case.key, put).await.unwrap();
    let later = case.append(1).await;
    assert_eq!(
        case.requeue(given[0], later[0], PageLimit::MAX).await,
        queued(3)
    );
    assert_eq!(ids(&case.pull(9).await), [given, later].concat());
    case.append(2).await;
    case.consumers
        .seek(&case.key, ConsumerPosition::Newest)
        .await
        .unwrap();
    assert_eq!(case.counts().await, (0, 0, 0));
    assert_eq!(case.requeue_all().await, queued(6));
}

/// With the first message that it did not examine.
pub async fn a_requeue_goes_on_where_it_stopped(harness: impl WebhookHarness) {
    let case = WebhookCase::new(&harness).await;
    let given = case.settle(7).await;
    case.append(1).await;
    let two = PageLimit::parse(2).unwrap();
    let (mut from, mut calls, mut total) = (given[0], 0, 0);
    loop {
        let requeued = case.requeue(from, MessageId::MAX, two).await;
        calls += 1;
        total += requeued.queued;
        let Some(next) = requeued.next else { break };
        assert_eq!((next.from, next.to), (given[2 * calls], given[6]));
        from = next.from;
    }
    assert_eq!((calls, total), (4, 7));
    let all = PageLimit::parse(7).unwrap();
    assert_eq!(case.requeue(given[0], given[6], all).await, queued(0));
    assert_eq!(case.counts().await, (8, 0, 0));
}

/// Before the messages were handed out again, and during their leases.
pub async fn a_second_requeue_changes_nothing(harness: impl WebhookHarness) {
    let case = WebhookCase::new(&harness).await;
    case.settle(3).await;
    assert_eq!(case.requeue_all().await, queued(3));
    assert_eq!(case.requeue_all().await, queued(0));
    let tokens = case.pull(3).await;
    assert_eq!(case.requeue_all().await, queued(0));
    case.update(&tokens, LeaseUpdate::Ack).await;
    assert_eq!(case.requeue_all().await, queued(3));
    assert_eq!(case.counts().await, (3, 0, 0));
}

/// By a client, which ends its waiting, and by retention, which makes it missed.
pub async fn a_requeued_message_may_be_removed(harness: impl WebhookHarness) {
    let case = WebhookCase::new(&harness).await;
    let given = case.settle(3).await;
    assert_eq!(case.requeue_all().await, queued(3));
    assert_eq!(case.store.delete(&case.topic, given[1]).await, Ok(true));
    assert_eq!(case.counts().await, (2, 0, 0));
    let policy = RetentionPolicy {
        max_age: DAY,
        max_count: 1,
    };
    while case.store.prune(&policy, 100).await.unwrap().more {}
    assert_eq!(case.counts().await, (1, 0, 0));
    assert_eq!(case.status().await.consumer.counts.missed, 1);
    assert_eq!(ids(&case.pull(9).await), given[2..]);
}

/// And the topic is as it was.
pub async fn messages_come_again_with_all_they_have(harness: impl WebhookHarness) {
    let case = WebhookCase::new(&harness).await;
    case.settle(2).await;
    let request = PageRequest {
        anchor: Anchor::Oldest,
        limit: PageLimit::MAX,
    };
    let page = async || -> Page { case.store.page(&case.topic, request).await.unwrap() };
    let before = page().await;
    case.requeue_all().await;
    let pull = PullRequest {
        limit: PullLimit::MAX,
        lease: None,
        nonce: nonce(),
    };
    let pulled = case.consumers.pull(&case.key, pull).await.unwrap();
    let messages: Vec<_> = pulled
        .messages
        .into_iter()
        .map(|leased| leased.message)
        .collect();
    assert_eq!(messages, before.messages);
    assert_eq!(page().await, before);
}
