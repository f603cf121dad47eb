//! What the cases of the webhook contract share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use posthorn_application::{
    ConsumerStore, LeaseUpdate, MessageStore, PageLimit, Precondition, PullRequest, PulledLeases,
    PutWebhook, RequeueRequest, Requeued, WebhookIncarnation, WebhookRecord, WebhookStatus,
    WebhookStore,
};
use posthorn_domain::{
    Attempt, ConsumerKey, ConsumerKind, ConsumerName, ConsumerPosition, FailureReason, LeaseNonce,
    LeaseToken, MessageId, PullLimit, SettingsTag, Timestamp, Topic, UrlSchemes, WebhookAttempt,
    WebhookOptions, WebhookSettings,
};

use super::WebhookHarness;
use crate::samples;

/// One webhook of one topic, and the store that holds both.
pub(super) struct WebhookCase {
    pub(super) store: Arc<dyn MessageStore>,
    pub(super) consumers: Arc<dyn ConsumerStore>,
    pub(super) webhooks: Arc<dyn WebhookStore>,
    pub(super) topic: Topic,
    pub(super) key: ConsumerKey,
}

impl WebhookCase {
    /// A webhook of an empty topic, from the oldest message on.
    pub(super) async fn new(harness: &impl WebhookHarness) -> Self {
        let case = Self::without_webhook(harness);
        let put = case.webhooks.put_webhook(&case.key, put(1)).await;
        assert!(put.unwrap().created);
        case
    }

    pub(super) fn without_webhook(harness: &impl WebhookHarness) -> Self {
        let topic = samples::topic("work");
        Self {
            store: harness.store(),
            consumers: harness.consumers(),
            webhooks: harness.webhooks(),
            key: key(&topic, "w"),
            topic,
        }
    }

    pub(super) async fn status(&self) -> WebhookStatus {
        self.webhooks.webhook(&self.key).await.unwrap()
    }

    pub(super) async fn incarnation(&self) -> WebhookIncarnation {
        self.status().await.incarnation
    }

    /// Stores `count` messages.
    pub(super) async fn append(&self, count: usize) -> Vec<MessageId> {
        let mut ids = Vec::with_capacity(count);
        for number in 0..count {
            let append = samples::append(&self.topic, &number.to_string());
            ids.push(self.store.append(append).await.unwrap().receipt.id);
        }
        ids
    }

    /// Leases at most `limit` messages: their tokens.
    pub(super) async fn pull(&self, limit: usize) -> Vec<LeaseToken> {
        let nonce = nonce();
        let pulled = self.pull_leases(limit, nonce).await;
        let tokens = pulled.messages.iter();
        tokens.map(|leased| leased.token(nonce)).collect()
    }

    /// Leases at most `limit` messages under `nonce`.
    pub(super) async fn pull_leases(&self, limit: usize, nonce: LeaseNonce) -> PulledLeases {
        let request = PullRequest {
            limit: PullLimit::parse(u64::try_from(limit).unwrap()).unwrap(),
            lease: None,
            nonce,
        };
        self.consumers.pull(&self.key, request).await.unwrap()
    }

    pub(super) async fn update(&self, tokens: &[LeaseToken], update: LeaseUpdate) {
        let updated = self.consumers.update_leases(&self.key, tokens, update);
        assert_eq!(updated.await.unwrap().valid, vec![true; tokens.len()]);
    }

    /// Stores `count` messages and acknowledges them.
    pub(super) async fn settle(&self, count: usize) -> Vec<MessageId> {
        let given = self.append(count).await;
        let tokens = self.pull(count).await;
        assert_eq!(ids(&tokens), given);
        self.update(&tokens, LeaseUpdate::Ack).await;
        given
    }

    pub(super) async fn requeue(
        &self,
        from: MessageId,
        to: MessageId,
        limit: PageLimit,
    ) -> Requeued {
        let request = RequeueRequest { from, to, limit };
        self.webhooks.requeue(&self.key, request).await.unwrap()
    }

    /// Requeues all messages.
    pub(super) async fn requeue_all(&self) -> Requeued {
        self.requeue(MessageId::MIN, MessageId::MAX, PageLimit::MAX)
            .await
    }

    /// The numbers of waiting messages, of leases and of dead letters.
    pub(super) async fn counts(&self) -> (u64, u64, u64) {
        let counts = self.status().await.consumer.counts;
        (counts.waiting, counts.in_flight, counts.dead)
    }
}

pub(super) fn key(topic: &Topic, name: &str) -> ConsumerKey {
    ConsumerKey {
        topic: topic.clone(),
        kind: ConsumerKind::Webhook,
        name: ConsumerName::parse(name).unwrap(),
    }
}

/// Settings that differ in every field by `number`.
pub(super) fn settings(number: u8) -> WebhookSettings {
    let options = WebhookOptions {
        url: Some(format!("https://example.com/hook?number={number}")),
        schedule_seconds: Some(vec![0.0, f64::from(number)]),
        timeout_seconds: Some(f64::from(number) + 0.5),
        max_in_flight: Some(u64::from(number) + 500),
        rate_per_second: number.is_multiple_of(2).then(|| f64::from(number) + 0.25),
        format: number.is_multiple_of(3).then(|| "cloudevents".to_owned()),
    };
    WebhookSettings::parse(&options, UrlSchemes::Https).unwrap()
}

/// A sealed part with every byte.
pub(super) fn put(number: u8) -> PutWebhook {
    PutWebhook {
        record: WebhookRecord {
            settings: settings(number),
            sealed: (0..=u8::MAX)
                .map(|byte| byte.wrapping_add(number))
                .collect(),
        },
        tag: tag(number),
        start: ConsumerPosition::Oldest,
        precondition: Precondition::None,
    }
}

pub(super) fn tag(number: u8) -> SettingsTag {
    SettingsTag::from_bytes([number; SettingsTag::LENGTH])
}

/// An attempt that took `millis` as its time and its length.
pub(super) fn attempt(millis: u64, status: u16) -> WebhookAttempt {
    WebhookAttempt {
        message_id: MessageId::new(Timestamp::from_millis(millis), millis),
        attempt: Attempt::new(millis % 1_000 + 1).unwrap(),
        at: Timestamp::from_millis(millis),
        status: Some(status),
        milliseconds: u32::try_from(millis).unwrap(),
        error: None,
    }
}

/// An attempt without a response.
pub(super) fn broken(millis: u64, error: &str) -> WebhookAttempt {
    WebhookAttempt {
        status: None,
        error: Some(FailureReason::parse(error).unwrap()),
        ..attempt(millis, 0)
    }
}

/// A nonce that no other call returned.
pub(super) fn nonce() -> LeaseNonce {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    LeaseNonce::from_bits(NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(super) fn ids(tokens: &[LeaseToken]) -> Vec<MessageId> {
    tokens.iter().map(|token| token.id).collect()
}
