//! What survives when the data is opened again.

use posthorn_domain::DisableReason;

use super::WebhookHarness;
use super::support::{WebhookCase, attempt, broken, ids};

async fn reopen(harness: &mut impl WebhookHarness, case: WebhookCase) -> WebhookCase {
    drop(case);
    assert!(harness.reopen().await, "the store keeps its data");
    WebhookCase::without_webhook(harness)
}

/// With its record, its health and its attempts.
pub async fn a_webhook_survives_a_restart(mut harness: impl WebhookHarness) {
    let case = WebhookCase::new(&harness).await;
    let attempts = [
        attempt(1, 200),
        attempt(2, 410),
        broken(3, "connection refused"),
    ];
    case.webhooks
        .record_attempts(&case.key, case.incarnation().await, &attempts)
        .await
        .unwrap();
    let gone = Some(DisableReason::Gone);
    case.webhooks
        .set_disabled(&case.key, gone, None)
        .await
        .unwrap();
    let before = (case.status().await, case.webhooks.attempts(&case.key).await);
    let case = reopen(&mut harness, case).await;
    let after = (case.status().await, case.webhooks.attempts(&case.key).await);
    assert_eq!(after, before);
    assert_eq!(after.0.health.disabled, gone);
    assert_eq!(after.1.unwrap().len(), 3);
}

/// In their order.
pub async fn requeued_messages_survive_a_restart(mut harness: impl WebhookHarness) {
    let case = WebhookCase::new(&harness).await;
    let given = case.settle(3).await;
    assert_eq!(case.requeue_all().await.queued, 3);
    let case = reopen(&mut harness, case).await;
    assert_eq!(case.counts().await, (3, 0, 0));
    assert_eq!(ids(&case.pull(9).await), given);
}
