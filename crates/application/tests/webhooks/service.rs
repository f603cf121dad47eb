//! Setting webhooks up: secrets, tags, preconditions, tests, replays.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::select;
use posthorn_application::{
    Clock, ConsumerError, Precondition, Replay, ReplayBound, VaultError, WebhookError,
    WebhookEventKind, WebhookSendError, WebhookVault,
};
use posthorn_domain::{
    ConsumerKey, ForbiddenAddress, MessageId, UrlSchemes, WebhookHeaders, WebhookSecret, WebhookUrl,
};
use posthorn_testkit::{eventually, samples};

use crate::receivers::{FakeVault, Response};
use crate::rig::{Rig, SOON, change, key, settle};

fn secret(byte: u8) -> WebhookSecret {
    WebhookSecret::from_bytes(&[byte; 32]).unwrap()
}

#[tokio::test]
async fn a_drawn_secret_is_returned_once_and_stays() {
    let rig = Rig::idle();
    let created = rig.service.put(&key("a"), change("a")).await.unwrap();
    assert!(created.created);
    assert!(created.secret.is_some());
    let again = rig.service.put(&key("a"), change("a")).await.unwrap();
    assert!(!again.created);
    assert_eq!(again.secret, None);
    let tag = |changed: &posthorn_application::WebhookChanged| changed.webhook.status.consumer.tag;
    assert_eq!(
        tag(&created),
        tag(&again),
        "an equal change keeps the version"
    );
    let mut other = change("a");
    other.headers = WebhookHeaders::parse([("X-Key", "hidden")]).unwrap();
    let changed = rig.service.put(&key("a"), other).await.unwrap();
    assert_ne!(tag(&changed), tag(&again));
    assert_eq!(changed.webhook.header_names, ["x-key"]);
    let listed = rig.service.list(&key("a").topic).await.unwrap();
    assert_eq!(listed, [changed.webhook]);
}

#[tokio::test]
async fn a_given_secret_is_not_returned_and_replaces_the_one_before() {
    let rig = Rig::idle();
    let with = |byte| {
        let mut change = change("a");
        change.secret = Some(secret(byte));
        change
    };
    let created = rig.service.put(&key("a"), with(1)).await.unwrap();
    assert_eq!(created.secret, None);
    let same = rig.service.put(&key("a"), with(1)).await.unwrap();
    let other = rig.service.put(&key("a"), with(2)).await.unwrap();
    let tags = [&created, &same, &other].map(|changed| changed.webhook.status.consumer.tag);
    assert_eq!(tags[0], tags[1]);
    assert_ne!(tags[1], tags[2]);
}

#[tokio::test]
async fn preconditions_decide() {
    let rig = Rig::idle();
    let put = async |precondition| {
        let mut change = change("a");
        change.precondition = precondition;
        rig.service.put(&key("a"), change).await
    };
    let failed = Err(WebhookError::Consumer(ConsumerError::PreconditionFailed));
    assert_eq!(put(Precondition::Exists).await, failed);
    let created = put(Precondition::Absent).await.unwrap();
    assert_eq!(put(Precondition::Absent).await, failed);
    let tag = created.webhook.status.consumer.tag;
    assert!(put(Precondition::Matches(vec![tag])).await.is_ok());
    let rotate = async |tag| {
        let precondition = Precondition::Matches(vec![tag]);
        let grace = Duration::ZERO;
        rig.service
            .rotate_secret(&key("a"), grace, &precondition)
            .await
    };
    assert!(rotate(tag).await.is_ok());
    assert_eq!(rotate(tag).await, failed, "a rotation changes the version");
}

/// Without a precondition of the client none fails, however often others change the webhook.
#[tokio::test]
async fn a_change_beside_many_others_succeeds() {
    let rig = Rig::idle();
    let key = rig.webhook("a", |_| {}).await;
    let none = Precondition::None;
    rig.store.conflicts.store(50, Ordering::Relaxed);
    assert!(rig.service.put(&key, change("a")).await.is_ok());
    rig.store.conflicts.store(50, Ordering::Relaxed);
    let rotate = rig.service.rotate_secret(&key, Duration::ZERO, &none);
    assert!(rotate.await.is_ok());
    rig.store.conflicts.store(1_000, Ordering::Relaxed);
    let busy = rig.service.put(&key, change("a")).await;
    let unavailable = matches!(
        &busy,
        Err(WebhookError::Consumer(ConsumerError::Store(error))) if error.is_transient()
    );
    assert!(unavailable, "{busy:?}");
}

/// The response of the first rotation may be lost, and the receiver still has the secret from before it.
#[tokio::test]
async fn a_rotation_leaves_the_grace_of_the_one_before_it() {
    let rig = Rig::idle();
    let key = rig.webhook("a", |_| {}).await;
    let rotate = async |grace| {
        let none = Precondition::None;
        let rotated = rig.service.rotate_secret(&key, grace, &none).await;
        rotated.unwrap();
    };
    let signatures = async || {
        rig.service.test(&key).await.unwrap();
        rig.receivers.sent().last().unwrap().signatures
    };
    let hour = Duration::from_hours(1);
    rotate(hour).await;
    rotate(2 * hour).await;
    assert_eq!(signatures().await, 3);
    rig.clock.advance(hour);
    assert_eq!(signatures().await, 2);
    rotate(Duration::ZERO).await;
    assert_eq!(signatures().await, 1);
}

#[tokio::test]
async fn without_a_lasting_key_nothing_is_stored() {
    let mut vault = FakeVault::new();
    vault.is_lasting = false;
    let rig = Rig::with_vault(vault);
    let refused = rig.service.put(&key("a"), change("a")).await;
    assert_eq!(refused, Err(WebhookError::NoLastingKey));
    let absent = Err(WebhookError::Consumer(ConsumerError::NotFound));
    assert_eq!(rig.service.get(&key("a")).await, absent);
}

#[tokio::test]
async fn a_forbidden_address_in_the_url_is_refused() {
    let rig = Rig::idle();
    for (url, range) in [
        ("https://127.0.0.1/", ForbiddenAddress::Loopback),
        ("https://0x7f.1/", ForbiddenAddress::Loopback),
        ("https://2130706433/", ForbiddenAddress::Loopback),
        ("https://0251.0376.0251.0376/", ForbiddenAddress::LinkLocal),
        ("https://[::ffff:10.0.0.1]/", ForbiddenAddress::Private),
        ("https://[64:ff9b::a00:1]/", ForbiddenAddress::Private),
    ] {
        let mut change = change("a");
        change.settings.url = WebhookUrl::parse(url, UrlSchemes::Https).unwrap();
        let refused = rig.service.put(&key("a"), change).await;
        assert_eq!(refused, Err(WebhookError::ForbiddenAddress(range)), "{url}");
    }
}

#[tokio::test]
async fn a_test_sends_a_signed_request_that_is_no_message() {
    let rig = Rig::idle();
    let key = rig.webhook("a", |_| {}).await;
    let tested = rig.service.test(&key).await.unwrap();
    assert_eq!(tested.result.map(|reply| reply.status), Ok(200));
    let sent = rig.receivers.sent();
    assert_eq!(sent[0].event.kind, WebhookEventKind::Test);
    assert_eq!(sent[0].event.body, b"test of a");
    assert!(sent[0].event.id.starts_with("test_"));
    assert_eq!(sent[0].signatures, 1);
    rig.receivers
        .respond("a.test", Response::Error(WebhookSendError::Timeout));
    let tested = rig.service.test(&key).await.unwrap();
    assert_eq!(tested.result, Err(WebhookSendError::Timeout));
    assert_eq!(rig.service.attempts(&key).await.unwrap(), []);
}

#[tokio::test]
async fn a_replay_delivers_settled_messages_again() {
    let rig = Rig::running();
    let key = rig.webhook("a", |_| {}).await;
    let ids = rig.store.append(&key, 450);
    for id in &ids {
        rig.acked(&key, *id).await;
    }
    let replay = async |from, to| {
        let replay = Replay { from, to };
        rig.service.replay(&key, replay).await.unwrap()
    };
    let range = (ReplayBound::Id(ids[1]), Some(ReplayBound::Id(ids[2])));
    assert_eq!(replay(range.0, range.1).await, 2);
    rig.sent("a.test", 452).await;
    rig.acked(&key, ids[1]).await;
    rig.acked(&key, ids[2]).await;
    let start = ReplayBound::Time(ids[0].timestamp());
    assert_eq!(replay(start, None).await, 450, "in several calls");
    rig.sent("a.test", 902).await;
    for id in &ids {
        rig.acked(&key, *id).await;
    }
    let later = ReplayBound::Time(rig.clock.now().saturating_add(Duration::from_secs(1)));
    assert_eq!(replay(later, None).await, 0);
}

#[tokio::test]
async fn after_a_rotation_of_the_key_the_secrets_are_encrypted_again() {
    let rig = Rig::idle();
    let keys = [
        rig.webhook("a", |_| {}).await,
        rig.webhook("b", |_| {}).await,
    ];
    let before = rig.service.get(&keys[0]).await.unwrap();
    *rig.vault.stale_below.lock().unwrap() = (rig.vault.count(), 0);
    assert_eq!(rig.service.reencrypt().await, Ok(2));
    assert_eq!(rig.service.reencrypt().await, Ok(0));
    let after = rig.service.get(&keys[0]).await.unwrap();
    assert_eq!(before.status.consumer.tag, after.status.consumer.tag);
    assert_ne!(before.status.record.sealed, after.status.record.sealed);
}

#[tokio::test]
async fn a_damaged_topic_does_not_keep_the_others_under_the_previous_key() {
    let rig = Rig::idle();
    let [damaged, later] = ["early", "late"].map(|topic| ConsumerKey {
        topic: samples::topic(topic),
        ..key("a")
    });
    for key in [&damaged, &later] {
        rig.service.put(key, change("a")).await.unwrap();
    }
    let is_stale = async |key| {
        let sealed = rig.service.get(key).await.unwrap().status.record.sealed;
        rig.vault.open(key, &sealed).unwrap().is_stale
    };
    *rig.vault.stale_below.lock().unwrap() = (rig.vault.count(), 0);
    *rig.store.damaged.lock().unwrap() = Some(damaged.topic.clone());
    let error = rig.service.reencrypt().await.unwrap_err();
    assert!(error.to_string().contains("as the test wants"), "{error}");
    assert!(!is_stale(&later).await && is_stale(&damaged).await);
    *rig.store.damaged.lock().unwrap() = None;
    assert_eq!(rig.service.reencrypt().await, Ok(1));
}

/// By a process that has the previous key only, while the rotation is rolled out.
#[tokio::test]
async fn a_secret_that_is_written_under_the_previous_key_later_is_encrypted_again() {
    let rig = Rig::idle();
    let (service, clock) = (&rig.service, &rig.clock);
    let key = rig.webhook("a", |_| {}).await;
    let is_stale = async || {
        let sealed = service.get(&key).await.unwrap().status.record.sealed;
        rig.vault.open(&key, &sealed).unwrap().is_stale
    };
    let keep = Box::pin(service.keep_reencrypting());
    let change_and_wait = Box::pin(async {
        for _ in 0..2 {
            service.put(&key, change("a")).await.unwrap();
            *rig.vault.stale_below.lock().unwrap() = (rig.vault.count(), 0);
            assert!(is_stale().await);
            eventually(SOON, async || {
                clock.advance(Duration::from_secs(10));
                settle().await;
                !is_stale().await
            })
            .await;
        }
    });
    select(keep, change_and_wait).await;
}

#[tokio::test]
async fn a_new_secret_recovers_a_webhook_whose_key_is_lost() {
    let rig = Rig::idle();
    let key = rig.webhook("a", |_| {}).await;
    *rig.vault.stale_below.lock().unwrap() = (0, rig.vault.count());
    assert_eq!(rig.service.reencrypt().await, Ok(0));
    let view = rig.service.get(&key).await.unwrap();
    assert_eq!(view.header_names, Vec::<String>::new());
    assert_eq!(view.unusable, Some(VaultError::Sealed));
    let refused = rig.service.put(&key, change("a")).await;
    assert!(matches!(refused, Err(WebhookError::Vault(_))));
    let mut with_secret = change("a");
    with_secret.secret = Some(secret(9));
    assert!(rig.service.put(&key, with_secret).await.is_ok());
    assert_eq!(rig.service.get(&key).await.unwrap().unusable, None);
    assert!(rig.service.test(&key).await.is_ok());
}

#[tokio::test]
async fn a_webhook_that_does_not_exist_is_not_found() {
    let rig = Rig::idle();
    let absent = ConsumerError::NotFound;
    let error = |outcome: Result<u64, WebhookError>| outcome.unwrap_err();
    assert_eq!(
        rig.service.enable(&key("a")).await.unwrap_err(),
        absent.clone().into()
    );
    assert_eq!(
        rig.service.test(&key("a")).await.unwrap_err(),
        absent.clone().into()
    );
    let from = ReplayBound::Id(MessageId::MIN);
    let replayed = rig
        .service
        .replay(&key("a"), Replay { from, to: None })
        .await;
    assert_eq!(error(replayed), absent.into());
}
