//! Consumers when servers fail over, are full, or lose their scripts, and unreadable records.

use std::collections::BTreeSet;
use std::time::Duration;

use posthorn_application::{
    AppendError, ConsumerError, ConsumerStore, LeaseUpdate, MessageStore, PageLimit, Precondition,
    PullRequest, PulledLeases, PutConsumer, RetentionPolicy, StoreError,
};
use posthorn_domain::{
    ConsumerKey, ConsumerKind, ConsumerName, ConsumerPosition, ConsumerSettings, Durability,
    LeaseNonce, LeaseToken, MessageId, PullLimit, SettingsTag, Topic,
};
use posthorn_redis::RedisStore;
use posthorn_testkit::{RedisSentinel, RedisServer, eventually, samples};

use crate::support::{DAY, connect, sentinel_url, store, store_settings};

fn key() -> ConsumerKey {
    ConsumerKey {
        topic: Topic::inbox(),
        kind: ConsumerKind::Consumer,
        name: ConsumerName::parse("work").unwrap(),
    }
}

async fn put(store: &RedisStore) {
    let put = PutConsumer {
        settings: ConsumerSettings::default(),
        tag: SettingsTag::from_bytes([1; 16]),
        start: ConsumerPosition::Oldest,
        precondition: Precondition::None,
    };
    store.put(&key(), put).await.unwrap();
}

async fn append(store: &RedisStore, text: &str) -> Result<MessageId, AppendError> {
    let append = samples::append(&Topic::inbox(), text);
    Ok(store.append(append).await?.receipt.id)
}

async fn pull(store: &RedisStore, limit: u64, bits: u64) -> Result<PulledLeases, ConsumerError> {
    let request = PullRequest {
        limit: PullLimit::parse(limit).unwrap(),
        lease: None,
        nonce: LeaseNonce::from_bits(bits),
    };
    store.pull(&key(), request).await
}

fn tokens(pulled: &PulledLeases, bits: u64) -> Vec<LeaseToken> {
    let nonce = LeaseNonce::from_bits(bits);
    pulled.messages.iter().map(|m| m.token(nonce)).collect()
}

async fn ack(store: &RedisStore, tokens: &[LeaseToken]) -> Result<Vec<bool>, ConsumerError> {
    let updated = store.update_leases(&key(), tokens, LeaseUpdate::Ack).await;
    updated.map(|updated| updated.valid)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fail_over_loses_no_message_and_no_acknowledgement() {
    let mut sentinel = RedisSentinel::start(3).await;
    let mut settings = store_settings(&sentinel_url(&sentinel));
    settings.durability = Durability::Replicated;
    let store = connect(settings).await;
    let mut left = BTreeSet::new();
    for number in 0..50 {
        left.insert(append(&store, &number.to_string()).await.unwrap());
    }
    put(&store).await;
    let pulled = pull(&store, 20, 1).await.unwrap();
    let acked = tokens(&pulled, 1)[..10].to_vec();
    assert_eq!(ack(&store, &acked).await, Ok(vec![true; 10]));
    left.retain(|id| acked.iter().all(|token| token.id != *id));
    sentinel.fail_over().await;
    // Nothing can be appended without a replica, but what is stored can be handed out.
    let mut settings = store_settings(&sentinel_url(&sentinel));
    settings.durability = Durability::Memory;
    let store = connect(settings).await;
    let nonce = LeaseNonce::from_bits(1);
    store.give_back(&key(), nonce).await.unwrap();
    let rest = pull(&store, 200, 2).await.unwrap();
    let found: BTreeSet<_> = rest.messages.iter().map(|m| m.message.id).collect();
    assert_eq!(found, left);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_waits_for_the_replica_and_a_lease_does_not() {
    let primary = RedisServer::start_with(&["--save", "", "--repl-diskless-sync-delay", "0"]).await;
    let address = format!("127.0.0.1 {}", primary.port());
    let replica = RedisServer::start_with(&["--save", "", "--replicaof", &address]).await;
    let mut settings = store_settings(&primary.url());
    settings.durability = Durability::Replicated;
    let store = connect(settings).await;
    // On a loaded machine the replica may be late at first.
    for number in 0..3 {
        let text = number.to_string();
        let appended = async || append(&store, &text).await.is_ok();
        eventually(Duration::from_secs(20), appended).await;
    }
    put(&store).await;
    let first = pull(&store, 1, 1).await.unwrap();
    replica.pause();
    let second = pull(&store, 1, 2).await.unwrap();
    assert_eq!(second.messages.len(), 1);
    assert!(store.status(&key()).await.is_ok());
    let outcome = ack(&store, &tokens(&first, 1)).await;
    assert!(
        matches!(
            &outcome,
            Err(ConsumerError::Store(StoreError::Unavailable(_)))
        ),
        "{outcome:?}"
    );
    replica.resume();
    let acked = async || ack(&store, &tokens(&second, 2)).await.is_ok();
    eventually(Duration::from_secs(30), acked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_messages_of_a_full_server_are_worked_off() {
    let server = RedisServer::start().await;
    let store = store(&server.url()).await;
    put(&store).await;
    let limit = async |bytes| {
        let limit = ["CONFIG", "SET", "maxmemory", bytes];
        server.command(&limit).await.unwrap();
    };
    limit("4mb").await;
    let text = "x".repeat(1_000);
    let mut ids = Vec::new();
    let full = loop {
        match append(&store, &text).await {
            Ok(id) => ids.push(id),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(full, AppendError::Store(StoreError::Full(_))),
        "{full:?}"
    );
    limit("1").await;
    let pulled = pull(&store, 100, 1).await.unwrap();
    let acked = ack(&store, &tokens(&pulled, 1)).await.unwrap();
    assert_eq!(acked, vec![true; 100]);
    let deleted = MessageStore::delete(&*store, &Topic::inbox(), ids[200]).await;
    assert_eq!(deleted, Ok(true));
    let policy = RetentionPolicy {
        max_age: DAY,
        max_count: 10,
    };
    store.prune(&policy, 100_000).await.unwrap();
    let counts = store.status(&key()).await.unwrap().counts;
    let held = u64::try_from(ids.len()).unwrap();
    assert_eq!((counts.waiting, counts.missed), (10, held - 111));
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_the_server_lost_are_sent_again() {
    let server = RedisServer::start().await;
    let store = store(&server.url()).await;
    put(&store).await;
    for round in 0..20 {
        append(&store, "text").await.unwrap();
        server.command(&["SCRIPT", "FLUSH"]).await.unwrap();
        let pulled = pull(&store, 10, round).await.unwrap();
        server.command(&["SCRIPT", "FLUSH"]).await.unwrap();
        assert_eq!(ack(&store, &tokens(&pulled, round)).await, Ok(vec![true]));
    }
    let policy = RetentionPolicy {
        max_age: DAY,
        max_count: 5,
    };
    assert_eq!(store.prune(&policy, 100).await.unwrap().removed, 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_records_are_missed_and_stop_no_other_message() {
    let server = RedisServer::start().await;
    let store = store(&server.url()).await;
    put(&store).await;
    let stream = "posthorn:{t:inbox}:messages";
    for fields in [
        ["field", "value", "x", "y"],
        ["content", "text", "a:BAD", "v"],
    ] {
        let [a, b, c, d] = fields;
        let command = ["XADD", stream, "*", a, b, c, d];
        server.command(&command).await.unwrap();
    }
    let id = append(&store, "text").await.unwrap();
    let pulled = pull(&store, 10, 1).await.unwrap();
    assert_eq!(tokens(&pulled, 1).len(), 1);
    assert_eq!(pulled.messages[0].message.id, id);
    let counts = store.status(&key()).await.unwrap().counts;
    assert_eq!((counts.waiting, counts.in_flight, counts.missed), (0, 1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absent_consumer_creates_no_key() {
    let server = RedisServer::start().await;
    let store = store(&server.url()).await;
    assert_eq!(pull(&store, 1, 1).await, Err(ConsumerError::NotFound));
    assert_eq!(
        store.status(&key()).await.err(),
        Some(ConsumerError::NotFound)
    );
    assert_eq!(ack(&store, &[]).await, Err(ConsumerError::NotFound));
    assert_eq!(server.command(&["DBSIZE"]).await.unwrap(), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_whose_name_is_lost_is_listed_again_by_a_put() {
    let server = RedisServer::start().await;
    let store = store(&server.url()).await;
    put(&store).await;
    let names = "posthorn:{t:inbox}:consumers";
    server.command(&["DEL", names]).await.unwrap();
    put(&store).await;
    assert_eq!(server.command(&["SCARD", names]).await.unwrap(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_does_not_inherit_what_one_of_its_name_left() {
    let server = RedisServer::start().await;
    let store = store(&server.url()).await;
    put(&store).await;
    append(&store, "one").await.unwrap();
    assert_eq!(pull(&store, 1, 1).await.unwrap().messages.len(), 1);
    let hash = format!("posthorn:{{t:inbox}}:consumer:{}", key().name);
    assert_eq!(server.command(&["DEL", &hash]).await.unwrap(), "1");
    put(&store).await;
    let counts = store.status(&key()).await.unwrap().counts;
    assert_eq!((counts.waiting, counts.in_flight), (1, 0));
}

#[tokio::test]
async fn a_topic_that_the_index_of_consumers_lost_is_added_again_by_retention() {
    let server = RedisServer::start().await;
    let store = store(&server.url()).await;
    put(&store).await;
    append(&store, "one").await.unwrap();
    let lose = ["DEL", "posthorn:consumer-topics"];
    server.command(&lose).await.unwrap();
    let topics = async || {
        let topics = store.topics_with_consumers(None, PageLimit::MAX).await;
        topics.unwrap()
    };
    assert_eq!(topics().await, []);
    let policy = RetentionPolicy {
        max_age: DAY,
        max_count: 1000,
    };
    store.prune(&policy, 1000).await.unwrap();
    assert_eq!(topics().await, [Topic::inbox()]);
}
