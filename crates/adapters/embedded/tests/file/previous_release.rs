//! A file that the previous release wrote, `data/schema-2.db`: two messages, of which one has attributes
//! and an idempotency key, a deleted one, and a revoked token.

use posthorn_application::{ConsumerStore, Precondition, PullRequest, PutConsumer, RevocationList};
use posthorn_domain::{
    ConsumerKey, ConsumerKind, ConsumerName, ConsumerPosition, ConsumerSettings, LeaseNonce,
    PullLimit, SettingsTag, TokenId,
};

use super::*;

/// Copies the file: opening it changes it.
fn copied(directory: &TempDir) -> EmbeddedStoreSettings {
    let settings = settings(directory);
    std::fs::create_dir_all(settings.path.parent().unwrap()).unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/file/data/schema-2.db");
    std::fs::copy(fixture, &settings.path).unwrap();
    settings
}

#[tokio::test]
async fn a_file_of_the_previous_release_opens_with_all_it_holds() {
    let directory = TempDir::new().unwrap();
    let store = open(&copied(&directory)).unwrap();
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
    let store = open(&copied(&directory)).unwrap();
    let key = ConsumerKey {
        topic: Topic::inbox(),
        kind: ConsumerKind::Consumer,
        name: ConsumerName::parse("mailer").unwrap(),
    };
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
