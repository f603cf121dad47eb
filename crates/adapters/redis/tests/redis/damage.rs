//! Lost and damaged entries: readers learn of them, and the others stay readable.

use std::sync::Arc;

use posthorn_application::{
    Anchor, AppendError, ConsumerStore, DeadLetterRequest, MessageStore, Page, PageLimit,
    PageRequest, StoreError, TopicRequest,
};
use posthorn_domain::{ConsumerKey, MessageId, Topic};
use posthorn_testkit::consumer_contract::damage::{
    a_damaged_consumer_stops_no_removal, a_damaged_dead_letter_hides_no_other,
    a_damaged_delivery_hides_no_other,
};
use posthorn_testkit::webhook_contract::damage::{
    a_damaged_webhook_can_be_deleted, a_damaged_webhook_hides_no_other,
};
use posthorn_testkit::{RedisServer, samples};

use crate::support::{connect, store, store_settings, texts};

async fn after(store: &dyn MessageStore, id: MessageId) -> Page {
    let request = PageRequest {
        anchor: Anchor::After(id),
        limit: PageLimit::MAX,
    };
    store.page(&Topic::inbox(), request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_an_older_dump_does_not_know_is_truncated() {
    let server = RedisServer::start().await;
    let first = store(&server.url()).await;
    let inbox = Topic::inbox();
    let send = async |store: &dyn MessageStore, text| {
        let appended = store.append(samples::append(&inbox, text)).await;
        appended.unwrap().receipt.id
    };
    let mut kept = vec![send(&*first, "a").await, send(&*first, "b").await];
    server.command(&["SAVE"]).await.unwrap();
    let dump = std::fs::read(server.directory().join("dump.rdb")).unwrap();
    let lost = [send(&*first, "c").await, send(&*first, "d").await];
    drop((first, server));
    let server = RedisServer::start_from_dump(&dump).await;
    let restored = store(&server.url()).await;
    for id in lost {
        assert!(after(&*restored, id).await.truncated, "{id} at the start");
    }
    kept.push(send(&*restored, "e").await);
    for id in lost {
        let page = after(&*restored, id).await;
        assert_eq!((page.truncated, page.messages.len()), (true, 1), "{id}");
    }
    for id in kept {
        assert!(!after(&*restored, id).await.truncated, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_entry_is_named_and_hides_no_other() {
    let server = RedisServer::start().await;
    let store = store(&server.url()).await;
    let first = store.append(samples::append(&Topic::inbox(), "a")).await;
    let key = "posthorn:{t:inbox}:messages";
    // CRC-32 of `x` is 8cdc1683.
    for fields in [
        &["content", "x", "sum", "8cdc1684"][..],
        &["text", "x"],
        &["content", "x", "sum", "8cdc1683"],
        &["content", "x"],
    ] {
        let command = [&["XADD", key, "*"], fields].concat();
        server.command(&command).await.unwrap();
    }
    store
        .append(samples::append(&Topic::inbox(), "b"))
        .await
        .unwrap();
    assert_eq!(texts(&store, &Topic::inbox()).await, ["a", "x", "x", "b"]);
    let page = after(&*store, MessageId::MIN).await;
    assert_eq!(page.unreadable.len(), 2);
    assert!(
        page.unreadable
            .iter()
            .all(|id| *id > first.as_ref().unwrap().receipt.id)
    );
    let get = store.get(&Topic::inbox(), page.unreadable[0]).await;
    assert!(get.is_err(), "{get:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_delivery_hides_and_blocks_no_other() {
    let server = RedisServer::start().await;
    let store = store(&server.url()).await;
    let execute = async |command: &[&str]| drop(server.command(command).await.unwrap());
    let key_of = async |key: &ConsumerKey, name: &str| {
        let key = consumer_key(key);
        let epoch = server.command(&["HGET", &key, "epoch"]).await.unwrap();
        format!("{key}:{}:{name}", epoch.trim())
    };
    // The leases end in real time.
    let pass = async || {};
    for (topic, value) in [("garbage", "garbage"), ("attempt", "l 1 0 x - -")] {
        let damage = async |key: &ConsumerKey, id: MessageId| {
            execute(&["HSET", &key_of(key, "entries").await, &padded_id(id), value]).await;
        };
        let topic = samples::topic(topic);
        a_damaged_delivery_hides_no_other(Arc::clone(&store), &topic, damage, pass).await;
    }
    // Ids that are none, also of a dead letter.
    let damage = async |key: &ConsumerKey, _: MessageId| {
        for set in ["leased", "due"] {
            execute(&["ZADD", &key_of(key, set).await, "0", "nonsense"]).await;
        }
        execute(&[
            "ZADD",
            &format!("{}:dead", consumer_key(key)),
            "0",
            "nonsense",
        ])
        .await;
        let page = store.dead_letters(
            key,
            DeadLetterRequest {
                after: None,
                limit: PageLimit::MAX,
            },
        );
        assert_eq!(page.await.unwrap().letters, []);
    };
    let topic = samples::topic("nonsense");
    a_damaged_delivery_hides_no_other(Arc::clone(&store), &topic, damage, pass).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_dead_letter_hides_and_blocks_no_other() {
    let server = RedisServer::start().await;
    let store = store(&server.url()).await;
    let text = "local fields = cmsgpack.unpack(redis.call('HGET', KEYS[1], ARGV[1])) \
         fields[2] = fields[2] .. 'x' \
         return redis.call('HSET', KEYS[1], ARGV[1], cmsgpack.pack(fields))";
    let garbage = "return redis.call('HSET', KEYS[1], ARGV[1], 'garbage')";
    for (topic, script) in [("text", text), ("garbage", garbage)] {
        let damage = async |key: &ConsumerKey, id: MessageId| {
            let letters = format!("{}:letters", consumer_key(key));
            let damage = ["EVAL", script, "1", &letters, &padded_id(id)];
            assert_eq!(server.command(&damage).await.unwrap().trim(), "0");
        };
        let topic = samples::topic(topic);
        a_damaged_dead_letter_hides_no_other(Arc::clone(&store), &topic, damage).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_consumer_stops_no_removal_and_harms_no_other() {
    let server = RedisServer::start().await;
    let store = store(&server.url()).await;
    let execute = async |command: &[&str]| drop(server.command(command).await.unwrap());
    for field in ["behind", "missed", "epoch"] {
        let damage =
            async |key: &ConsumerKey| execute(&["HSET", &consumer_key(key), field, "x"]).await;
        let topic = samples::topic(field);
        a_damaged_consumer_stops_no_removal(Arc::clone(&store), &topic, damage).await;
    }
    for part in ["entries", "waiting"] {
        let damage = async |key: &ConsumerKey| {
            execute(&["SET", &format!("{}:1:{part}", consumer_key(key)), "x"]).await;
        };
        let topic = samples::topic(part);
        a_damaged_consumer_stops_no_removal(Arc::clone(&store), &topic, damage).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_webhook_hides_and_blocks_no_other() {
    let server = RedisServer::start().await;
    let store = store(&server.url()).await;
    let execute = async |command: &[&str]| drop(server.command(command).await.unwrap());
    for (topic, field, value) in [
        ("url", "url", "::::"),
        ("lease", "lease", "abc"),
        ("format", "format", "zz"),
    ] {
        let damage =
            async |key: &ConsumerKey| execute(&["HSET", &consumer_key(key), field, value]).await;
        let topic = samples::topic(topic);
        let damaged = a_damaged_webhook_hides_no_other(&*store, &topic, damage).await;
        a_damaged_webhook_can_be_deleted(&*store, &damaged).await;
    }
    // This ends the script of one webhook.
    let damage = async |key: &ConsumerKey| execute(&["SET", &consumer_key(key), "x"]).await;
    let topic = samples::topic("type");
    let damaged = a_damaged_webhook_hides_no_other(&*store, &topic, damage).await;
    a_damaged_webhook_can_be_deleted(&*store, &damaged).await;
}

fn padded_id(id: MessageId) -> String {
    format!("{:015}-{:020}", id.timestamp().as_millis(), id.sequence())
}

fn consumer_key(key: &ConsumerKey) -> String {
    let (topic, kind, name) = (&key.topic, key.kind.as_str(), &key.name);
    format!("posthorn:{{t:{topic}}}:{kind}:{name}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_with_a_damaged_name_hides_only_itself() {
    let server = RedisServer::start().await;
    let store = store(&server.url()).await;
    for name in ["a", "c"] {
        let appended = store
            .append(samples::append(&samples::topic(name), "text"))
            .await;
        appended.unwrap();
    }
    for name in ["A B", "b!", "~"] {
        server
            .command(&["ZADD", "posthorn:topics", "0", name])
            .await
            .unwrap();
    }
    let request = TopicRequest::after(None, PageLimit::MAX);
    let page = store.topics(request).await.unwrap();
    let names: Vec<_> = page
        .topics
        .iter()
        .map(|topic| topic.topic.as_str())
        .collect();
    assert_eq!((names, page.has_more), (vec!["a", "c"], false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_of_one_message_costs_few_bytes_beside_its_stream() {
    let server = RedisServer::start().await;
    let store = store(&server.url()).await;
    let bytes = async |key: &str| {
        let usage = server
            .command(&["MEMORY", "USAGE", key, "SAMPLES", "0"])
            .await;
        usage.unwrap().parse::<u64>().unwrap()
    };
    let topics = 200;
    for number in 0..topics {
        let topic = samples::topic(&format!("topic-{number:05}"));
        store.append(samples::append(&topic, "text")).await.unwrap();
    }
    let sum = ["XADD", "bare", "*", "content", "text", "sum", "3b8ba7c7"];
    server.command(&sum).await.unwrap();
    // The stream, and the rest of two keys for each topic.
    let key = |name| format!("posthorn:{{t:topic-00100}}:{name}");
    let names = server.command(&["KEYS", &key("*")]).await.unwrap();
    assert_eq!(names.lines().count(), 2, "{names}");
    let stream = bytes(&key("messages")).await - bytes("bare").await;
    let index = bytes("posthorn:topics").await / topics;
    let beside = stream + bytes(&key("fence")).await + index;
    assert!(beside <= 300, "{beside} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_key_of_another_type_stops_appends_until_it_is_repaired() {
    let server = RedisServer::start().await;
    let store = connect(store_settings(&server.url())).await;
    let append = |name: &str| samples::append(&samples::topic(name), "text");
    store.append(append("known")).await.unwrap();
    for (key, right) in [
        ("topics", "zset"),
        ("consumer-topics", "zset"),
        ("seen", "string"),
        ("identity", "string"),
    ] {
        let key = format!("posthorn:{key}");
        let command = if right == "zset" { "SET" } else { "SADD" };
        server.command(&["DEL", &key]).await.unwrap();
        server.command(&[command, &key, "x"]).await.unwrap();
        if key == "posthorn:topics" {
            // A new topic finds it by itself.
            let refused = store.append(append("new")).await;
            assert!(matches!(
                refused,
                Err(AppendError::Store(StoreError::Unavailable(_)))
            ));
        }
        let health = store.health().await;
        assert!(
            matches!(health, Err(StoreError::Corrupt(_))),
            "{key}: {health:?}"
        );
        for name in ["known", "new"] {
            let refused = store.append(append(name)).await;
            let Err(AppendError::Store(StoreError::Unavailable(text))) = refused else {
                panic!("{key}: {refused:?}");
            };
            assert!(text.contains("data of another type"), "{text}");
        }
        assert_eq!(
            store.get(&samples::topic("known"), MessageId::MIN).await,
            Ok(None)
        );
        server.command(&["DEL", &key]).await.unwrap();
        assert_eq!(store.health().await, Ok(()), "{key}");
        store.append(append("known")).await.unwrap();
    }
}
