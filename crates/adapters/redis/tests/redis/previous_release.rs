//! A dump that the previous release wrote, `data/previous-release.rdb`: in `inbox` two messages without a
//! key, one with attributes and an idempotency key, a deleted one; one in `other`; a revoked token. The
//! times to live were removed from it.

use std::sync::Arc;

use posthorn_application::{
    AppendError, Clock, ConsumerStore, LeaseUpdate, LeasedMessage, MessageStore, Precondition,
    PullRequest, PutConsumer, RevocationList,
};
use posthorn_domain::{
    ConsumerKey, ConsumerKind, ConsumerName, ConsumerPosition, ConsumerSettings, Fingerprint,
    LeaseNonce, LeaseToken, PullLimit, SettingsTag, TokenId, Topic,
};
use posthorn_redis::RedisRevocationList;
use posthorn_testkit::{FakeClock, RedisServer, samples};

use crate::support::{ALL, DAY, store, texts};

/// A server with the dump.
async fn loaded() -> RedisServer {
    let dump = include_bytes!("data/previous-release.rdb");
    RedisServer::start_from_dump(dump).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_of_the_previous_release_is_read_and_appended_to() {
    let server = loaded().await;
    let (store, inbox) = (store(&server.url()).await, Topic::inbox());
    assert_eq!(texts(&store, &inbox).await, ["first", "second", "third"]);
    assert_eq!(texts(&store, &samples::topic("other")).await, ["elsewhere"]);
    let page = store.page(&inbox, ALL).await.unwrap();
    let attributes: Vec<_> = page.messages[1].attributes.iter().collect();
    assert_eq!(attributes, [("room", "hall")]);
    let appended = store.append(samples::append(&inbox, "fourth")).await;
    let last = page.messages[2].id;
    assert!(appended.unwrap().receipt.id > last);
    let deleted = MessageStore::delete(&*store, &inbox, last).await;
    assert_eq!(deleted, Ok(true));
    assert_eq!(texts(&store, &inbox).await, ["first", "second", "fourth"]);

    let clock = Arc::new(FakeClock::new()) as Arc<dyn Clock>;
    let revocations = RedisRevocationList::new(Arc::clone(&store), clock);
    let revoked = async |id| revocations.is_revoked(&TokenId::parse(id).unwrap()).await;
    assert_eq!(revoked("old-token").await, Ok(true));
    assert_eq!(revoked("other-token").await, Ok(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_of_the_previous_release_is_known() {
    let server = loaded().await;
    let (store, inbox) = (store(&server.url()).await, Topic::inbox());
    let second = store.page(&inbox, ALL).await.unwrap().messages[1].id;
    let mut append = samples::keyed_append(&inbox, "second", "once", DAY);
    // The fingerprint of the message that was sent with the key.
    let fingerprint = "321b50ccd739e9e996500c31dcd83a971733d3c554421cb019e38ae9ed3d9a71";
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    let bytes: Vec<u8> = fingerprint.as_bytes().chunks(2).map(byte).collect();
    let bytes = bytes.try_into().unwrap();
    append.idempotency.as_mut().unwrap().fingerprint = Fingerprint::from_bytes(bytes);
    let replayed = store.append(append).await.unwrap();
    assert!(replayed.replayed);
    assert_eq!(replayed.receipt.id, second);
    let other = samples::keyed_append(&inbox, "other", "once", DAY);
    assert_eq!(store.append(other).await, Err(AppendError::KeyReused));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_of_the_previous_release_gets_consumers() {
    let server = loaded().await;
    let store = store(&server.url()).await;
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
    let created = ConsumerStore::put(&*store, &key, put).await.unwrap();
    assert_eq!(created.status.counts.waiting, 3);
    let request = PullRequest {
        limit: PullLimit::default(),
        lease: None,
        nonce: LeaseNonce::from_bits(1),
    };
    let pulled = store.pull(&key, request).await.unwrap();
    assert_eq!(pulled.messages.len(), 3);
    let token = |leased: &LeasedMessage| LeaseToken {
        id: leased.message.id,
        attempt: leased.attempt,
        nonce: request.nonce,
    };
    let leases: Vec<_> = pulled.messages.iter().map(token).collect();
    let acknowledged = store.update_leases(&key, &leases, LeaseUpdate::Ack).await;
    assert_eq!(acknowledged.unwrap().valid, [true; 3]);
}
