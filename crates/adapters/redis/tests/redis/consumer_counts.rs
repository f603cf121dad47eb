//! Positions in the middle of a topic that is too long to be counted by one script.

use posthorn_application::{ConsumerError, ConsumerStore, MessageStore, Precondition, PutConsumer};
use posthorn_domain::{
    ConsumerKey, ConsumerKind, ConsumerName, ConsumerPosition, ConsumerSettings, MessageId,
    SettingsTag, Timestamp, Topic,
};
use posthorn_redis::RedisStore;
use posthorn_testkit::RedisServer;

use crate::support::store;

const STREAM: &str = "posthorn:{t:inbox}:messages";
/// More than a script counts at once.
const MESSAGES: u64 = 30_000;

/// The id of the message of that number, from 1.
fn id(number: u64) -> MessageId {
    MessageId::new(Timestamp::from_millis(number), 0)
}

async fn filled() -> RedisServer {
    let server = RedisServer::start().await;
    let script =
        "for i = 1, ARGV[1] do redis.call('XADD', KEYS[1], i .. '-0', 'content', 'text') end";
    let fill = ["EVAL", script, "1", STREAM, &MESSAGES.to_string()];
    server.command(&fill).await.unwrap();
    server
        .command(&["ZADD", "posthorn:topics", "0", "inbox"])
        .await
        .unwrap();
    server
}

fn key(name: &str) -> ConsumerKey {
    ConsumerKey {
        topic: Topic::inbox(),
        kind: ConsumerKind::Consumer,
        name: ConsumerName::parse(name).unwrap(),
    }
}

async fn put(store: &RedisStore, name: &str, start: ConsumerPosition) -> u64 {
    let put = PutConsumer {
        settings: ConsumerSettings::default(),
        tag: SettingsTag::from_bytes([1; SettingsTag::LENGTH]),
        start,
        precondition: Precondition::None,
    };
    let created = ConsumerStore::put(store, &key(name), put).await.unwrap();
    created.status.counts.waiting
}

async fn seek(store: &RedisStore, number: u64) -> u64 {
    let to = ConsumerPosition::After(id(number));
    // Beside other tests a count may not end in its time; it is said to be worth another try.
    for _ in 0..10 {
        match store.seek(&key("seeks"), to).await {
            Ok(status) => return status.counts.waiting,
            Err(ConsumerError::Store(error)) if error.is_transient() => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("no count ended in its time");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_count_behind_any_position_is_exact() {
    let server = filled().await;
    let store = store(&server.url()).await;
    let start = ConsumerPosition::After(id(14_000));
    assert_eq!(put(&store, "seeks", start).await, MESSAGES - 14_000);
    for number in [0, 1, 499, 500, 501, 9_999, 15_000, 20_001, 29_500, MESSAGES] {
        assert_eq!(seek(&store, number).await, MESSAGES - number, "{number}");
    }
    // A removal is seen by the next count.
    for number in [3, 17_000, 29_999] {
        let inbox = Topic::inbox();
        assert_eq!(
            MessageStore::delete(&*store, &inbox, id(number)).await,
            Ok(true)
        );
    }
    for (number, waiting) in [(15_000, 14_998), (17_001, 12_998), (2, 29_995)] {
        assert_eq!(seek(&store, number).await, waiting, "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_is_exact_while_messages_are_removed() {
    let server = filled().await;
    let store = store(&server.url()).await;
    put(&store, "seeks", ConsumerPosition::Oldest).await;
    let removals = async {
        for number in 1..=150 {
            let removed = MessageStore::delete(&*store, &Topic::inbox(), id(200 * number)).await;
            assert_eq!(removed, Ok(true));
        }
    };
    let seeks = async {
        for _ in 0..3 {
            seek(&store, 15_000).await;
        }
    };
    tokio::join!(removals, seeks);
    let status = store.status(&key("seeks")).await.unwrap();
    assert_eq!(status.counts.waiting, 15_000 - 75);
}

/// As a Redis that evicts does, or somebody by hand.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_waits_once_the_messages_are_gone() {
    let server = filled().await;
    let store = store(&server.url()).await;
    assert_eq!(put(&store, "worker", ConsumerPosition::Newest).await, 0);
    server.command(&["DEL", STREAM]).await.unwrap();
    let status = store.status(&key("worker")).await.unwrap();
    assert_eq!(status.counts.waiting, 0);
    assert_eq!(status.oldest_waiting_at, None);
}
