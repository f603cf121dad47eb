//! Files of earlier schemas in `data`. 2: two messages, one with attributes and an idempotency key, a deleted one, and a
//! revoked token. 3: three messages, and a consumer that has one dead letter, one redelivery and one new message of them.
//! 4: the same with an idempotency key. 5: three messages, of which the second has an idempotency key and the first is a
//! dead letter. 6: the same, the first with a `traceparent`; a topic with a message, and one whose message was deleted.

use posthorn_application::{
    ConsumerCounts, ConsumerStore, DeadLetterRequest, Precondition, PullRequest, PutConsumer,
    PutWebhook, RevocationList, WebhookRecord, WebhookStore,
};
use posthorn_domain::{
    ConsumerKey, ConsumerKind, ConsumerName, ConsumerPosition, ConsumerSettings, LeaseNonce,
    PullLimit, SettingsTag, TokenId, UrlSchemes, WebhookSettings, WebhookUrl,
};

use super::*;

/// Copies a file: opening it changes it.
fn copied(directory: &TempDir, file: &str) -> EmbeddedStoreSettings {
    let settings = settings(directory);
    std::fs::create_dir_all(settings.path.parent().unwrap()).unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/file/data")
        .join(file);
    std::fs::copy(fixture, &settings.path).unwrap();
    settings
}

fn key(kind: ConsumerKind, name: &str) -> ConsumerKey {
    ConsumerKey {
        topic: Topic::inbox(),
        kind,
        name: ConsumerName::parse(name).unwrap(),
    }
}

#[tokio::test]
async fn a_file_of_the_previous_release_opens_with_all_it_holds() {
    let directory = TempDir::new().unwrap();
    let store = open(&copied(&directory, "schema-2.db")).unwrap();
    assert_eq!(texts(&store).await, ["first", "third"]);
    let request = PageRequest {
        anchor: Anchor::Newest,
        limit: PageLimit::parse(1).unwrap(),
    };
    let page = store.page(&Topic::inbox(), request).await.unwrap();
    let attributes: Vec<_> = page.messages[0].attributes.iter().collect();
    assert_eq!(attributes, [("room", "hall")]);
    assert!(
        store
            .is_revoked(&TokenId::parse("old-token").unwrap())
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_file_of_the_previous_release_gets_consumers() {
    let directory = TempDir::new().unwrap();
    let store = open(&copied(&directory, "schema-2.db")).unwrap();
    let key = key(ConsumerKind::Consumer, "mailer");
    let put = PutConsumer {
        settings: ConsumerSettings::default(),
        tag: SettingsTag::from_bytes([1; SettingsTag::LENGTH]),
        start: ConsumerPosition::Oldest,
        precondition: Precondition::None,
    };
    let created = ConsumerStore::put(&store, &key, put).await.unwrap();
    assert_eq!(created.status.counts.waiting, 2);
    let request = PullRequest {
        limit: PullLimit::default(),
        lease: None,
        nonce: LeaseNonce::from_bits(1),
    };
    let pulled = store.pull(&key, request).await.unwrap();
    assert_eq!(pulled.messages.len(), 2);
}

#[tokio::test]
async fn a_file_with_consumers_gets_webhooks() {
    let directory = TempDir::new().unwrap();
    let store = open(&copied(&directory, "schema-3.db")).unwrap();
    let consumer = key(ConsumerKind::Consumer, "mailer");
    let status = store.status(&consumer).await.unwrap();
    let expected = ConsumerCounts {
        waiting: 2,
        dead: 1,
        missed: 4,
        ..ConsumerCounts::default()
    };
    assert_eq!(status.counts, expected);
    let webhook = key(ConsumerKind::Webhook, "mailer");
    let url = WebhookUrl::parse("https://example.com/", UrlSchemes::Https).unwrap();
    let put = PutWebhook {
        record: WebhookRecord {
            settings: WebhookSettings::new(url),
            sealed: vec![0, 255],
        },
        tag: SettingsTag::from_bytes([2; SettingsTag::LENGTH]),
        start: ConsumerPosition::Oldest,
        precondition: Precondition::None,
    };
    let created = store.put_webhook(&webhook, put).await.unwrap();
    assert_eq!(created.status.consumer.counts.waiting, 3);
    assert_eq!(store.status(&consumer).await, Ok(status));
}

#[tokio::test]
async fn a_file_of_the_previous_release_trusts_the_time_of_its_newest_message() {
    let directory = TempDir::new().unwrap();
    let clock = Arc::new(FakeClock::new());
    let day = Duration::from_hours(24);
    clock.set_now(FakeClock::START.saturating_add(400 * day));
    let settings = copied(&directory, "schema-4.db");
    let store = EmbeddedStore::open(&settings, clock.clone() as Arc<dyn Clock>).unwrap();
    let policy = RetentionPolicy {
        max_age: 7 * day,
        max_count: 1000,
    };
    assert_eq!(store.prune(&policy, 1000).await.unwrap().removed, 0);
    let request = PageRequest {
        anchor: Anchor::Newest,
        limit: PageLimit::parse(1).unwrap(),
    };
    let page = store.page(&Topic::inbox(), request).await.unwrap();
    let message = &page.messages[0];
    assert_eq!(message.content.as_str(), "third");
    assert_eq!(message.processed_at, message.id.timestamp());
    // The key is held: it was used for another message.
    let retry = keyed_append(&Topic::inbox(), "other", "old-key", day);
    assert_eq!(store.append(retry).await, Err(AppendError::KeyReused));
    // What was stored before is removed when the clock is believed.
    clock.advance(Duration::from_hours(1));
    assert_eq!(store.prune(&policy, 1000).await.unwrap().removed, 3);
}

#[tokio::test]
async fn a_file_without_checksums_is_read() {
    let directory = TempDir::new().unwrap();
    let store = open(&copied(&directory, "schema-5.db")).unwrap();
    check_inbox_and_mailer(&store).await;
}

#[tokio::test]
async fn a_file_with_checksums_is_read_and_its_topics_are_counted() {
    let directory = TempDir::new().unwrap();
    let store = open(&copied(&directory, "schema-6.db")).unwrap();
    assert_eq!(store.usage().await.unwrap().topics, 2);
    let request = PageRequest {
        anchor: Anchor::Oldest,
        limit: PageLimit::parse(1).unwrap(),
    };
    let page = store.page(&Topic::inbox(), request).await.unwrap();
    let trace = page.messages[0].traceparent.as_ref().unwrap();
    let sent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert_eq!(trace.as_str(), sent);
    check_inbox_and_mailer(&store).await;
}

/// What `data/schema-5.db` and `data/schema-6.db` have in common.
async fn check_inbox_and_mailer(store: &EmbeddedStore) {
    assert_eq!(texts(store).await, ["first", "second", "third"]);
    let mailer = key(ConsumerKind::Consumer, "mailer");
    let request = DeadLetterRequest {
        after: None,
        limit: PageLimit::MAX,
    };
    let dead = store.dead_letters(&mailer, request).await.unwrap();
    let ids: Vec<_> = dead
        .letters
        .iter()
        .map(|letter| letter.message.id)
        .collect();
    let redriven = store.redrive(&mailer, &ids).await.unwrap();
    assert_eq!(redriven.redriven, 1);
    let request = PullRequest {
        limit: PullLimit::default(),
        lease: None,
        nonce: LeaseNonce::from_bits(1),
    };
    let pulled = store.pull(&mailer, request).await.unwrap();
    assert_eq!(pulled.messages.len(), 3);
    let retry = keyed_append(&Topic::inbox(), "other", "old-key", Duration::from_hours(1));
    assert_eq!(store.append(retry).await, Err(AppendError::KeyReused));
}
