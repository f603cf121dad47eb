//! The keys in Redis, read without the store.

use std::sync::Arc;

use posthorn_application::{
    Anchor, AppendError, MessageStore, PageLimit, PageRequest, RetentionPolicy, StoreError,
    TopicRequest,
};
use posthorn_domain::{MessageId, Timestamp, Topic, TopicPattern, TopicRanges};
use posthorn_testkit::{RedisServer, eventually, samples};
use tokio::task::JoinSet;

use crate::support::{ALL, DAY, PATIENCE, connect, store, store_settings};

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_processes_with_one_key_stores() {
    let server = RedisServer::start().await;
    let stores = [store(&server.url()).await, store(&server.url()).await];
    let topic = Topic::inbox();
    for round in 0..1_000 {
        let key = format!("key-{round}");
        let append = || samples::keyed_append(&topic, "text", &key, DAY);
        let (one, other) = tokio::join!(stores[0].append(append()), stores[1].append(append()));
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!(one.receipt, other.receipt);
        assert_ne!(one.replayed, other.replayed);
    }
    assert_eq!(
        server
            .command(&["XLEN", "posthorn:{t:inbox}:messages"])
            .await
            .unwrap(),
        "1000"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_grow_although_the_clock_went_back_and_the_topic_is_empty() {
    let mut server = RedisServer::start_durable().await;
    let (store, topic) = (store(&server.url()).await, Topic::inbox());
    // As if the clock of the server had been far ahead.
    let (key, ahead) = ("posthorn:{t:inbox}:messages", "99999999999999-7");
    server
        .command(&["XADD", key, ahead, "content", "ahead"])
        .await
        .unwrap();
    let last = store.page(&topic, ALL).await.unwrap().messages[0].id;
    assert_eq!(store.delete(&topic, last).await, Ok(true));
    server.command(&["BGREWRITEAOF"]).await.unwrap();
    let rewritten = async || {
        let info = server.command(&["INFO", "persistence"]).await.unwrap();
        info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrites:1")
    };
    eventually(PATIENCE, rewritten).await;
    server.stop();
    server.start_again().await;
    assert!(
        store
            .append(samples::append(&topic, "text"))
            .await
            .unwrap()
            .receipt
            .id
            > last
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_topic_keeps_its_mark_for_a_time_and_can_be_used_again() {
    let server = RedisServer::start().await;
    let (store, topic) = (store(&server.url()).await, samples::topic("old"));
    let key = "posthorn:{t:old}:messages";
    server
        .command(&["XADD", key, "1-1", "content", "text"])
        .await
        .unwrap();
    for name in ["old", "gone"] {
        server
            .command(&["ZADD", "posthorn:topics", "0", name])
            .await
            .unwrap();
    }
    store
        .append(samples::append(&Topic::inbox(), "text"))
        .await
        .unwrap();
    let policy = RetentionPolicy {
        max_age: DAY,
        max_count: 10,
    };
    for expected in [1, 0] {
        assert_eq!(store.prune(&policy, 100).await.unwrap().removed, expected);
    }
    let index = ["ZRANGE", "posthorn:topics", "0", "-1"];
    assert_eq!(server.command(&index).await.unwrap(), "inbox");
    assert_eq!(server.command(&["EXISTS", key]).await.unwrap(), "0");
    // For some time a returning reader is told that it missed messages.
    let mark = ["PTTL", "posthorn:{t:old}:pruned"];
    let life: i64 = server.command(&mark).await.unwrap().parse().unwrap();
    assert!((1..=30 * 24 * 3_600_000).contains(&life), "{life}");
    let after = PageRequest {
        anchor: Anchor::After(MessageId::MIN),
        ..ALL
    };
    assert!(store.page(&topic, after).await.unwrap().truncated);
    store.append(samples::append(&topic, "text")).await.unwrap();
    assert_eq!(server.command(&index).await.unwrap(), "inbox\nold");
    assert!(store.page(&topic, after).await.unwrap().truncated);
    // A topic that was just emptied keeps its stream, and its mark without a TTL.
    let id = store
        .append(samples::append(&Topic::inbox(), "text"))
        .await
        .unwrap()
        .receipt
        .id;
    let policy = RetentionPolicy {
        max_age: DAY,
        max_count: 1,
    };
    assert_eq!(store.prune(&policy, 100).await.unwrap().removed, 1);
    store.delete(&Topic::inbox(), id).await.unwrap();
    store.prune(&policy, 100).await.unwrap();
    for (question, answer) in [
        (["EXISTS", "posthorn:{t:inbox}:messages"], "1"),
        (["PTTL", "posthorn:{t:inbox}:pruned"], "-1"),
    ] {
        assert_eq!(server.command(&question).await.unwrap(), answer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_form_or_type_is_corrupt() {
    let server = RedisServer::start().await;
    let (store, topic) = (store(&server.url()).await, Topic::inbox());
    let key = "posthorn:{t:inbox}:messages";
    server
        .command(&["XADD", key, "1-1", "field", "value"])
        .await
        .unwrap();
    let id = MessageId::new(Timestamp::from_millis(1), 1);
    assert_eq!(store.page(&topic, ALL).await.unwrap().unreadable, [id]);
    let outcome = store.get(&topic, id).await;
    assert!(
        matches!(outcome, Err(StoreError::Corrupt(_))),
        "{outcome:?}"
    );
    server.command(&["DEL", key]).await.unwrap();
    server.command(&["SET", key, "value"]).await.unwrap();
    let outcome = store.append(samples::append(&topic, "text")).await;
    assert!(
        matches!(outcome, Err(AppendError::Store(StoreError::Corrupt(_)))),
        "{outcome:?}"
    );
    for outcome in [
        store.page(&topic, ALL).await.map(drop),
        store.get(&topic, id).await.map(drop),
        store.delete(&topic, id).await.map(drop),
    ] {
        assert!(
            matches!(outcome, Err(StoreError::Corrupt(_))),
            "{outcome:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_type_does_not_stop_other_topics_from_being_listed_and_pruned() {
    let server = RedisServer::start().await;
    let store = store(&server.url()).await;
    let topics = ["a", "b", "c"].map(samples::topic);
    for topic in topics.iter().chain(&topics) {
        store.append(samples::append(topic, "text")).await.unwrap();
    }
    let key = "posthorn:{t:b}:messages";
    server.command(&["SET", key, "value"]).await.unwrap();
    let request = TopicRequest::after(None, PageLimit::MAX);
    let listed = store.topics(request).await.unwrap().topics;
    let names: Vec<_> = listed.iter().map(|summary| &summary.topic).collect();
    assert_eq!(names, [&topics[0], &topics[2]]);
    let policy = RetentionPolicy {
        max_age: DAY,
        max_count: 1,
    };
    let pruned = store.prune(&policy, 100).await.unwrap();
    assert_eq!((pruned.removed, pruned.more), (2, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_store_leaves_no_connection_and_no_task() {
    let server = RedisServer::start().await;
    let store = store(&server.url()).await;
    store
        .append(samples::append(&Topic::inbox(), "text"))
        .await
        .unwrap();
    drop(store.subscribe(&Topic::inbox()).await.unwrap());
    let clients = async || {
        let list = server.command(&["CLIENT", "LIST"]).await.unwrap();
        list.lines().filter(|line| line.contains("addr=")).count()
    };
    assert!(clients().await > 1);
    drop(store);
    // The connection of the test remains.
    eventually(PATIENCE, async || clients().await == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_listed_after_the_server_lost_everything() {
    let mut server = RedisServer::start().await;
    let (store, topic) = (store(&server.url()).await, Topic::inbox());
    let request = TopicRequest::after(None, PageLimit::MAX);
    for _ in 0..3 {
        for _ in 0..3 {
            store.append(samples::append(&topic, "text")).await.unwrap();
        }
        let page = store.topics(request.clone()).await.unwrap();
        assert_eq!(page.topics[0].count, 3);
        server.stop();
        server.start_again().await;
        // A connection that was checked just before is found broken by its next use only.
        let recovered =
            async || store.health().await.is_ok() && store.topics(request.clone()).await.is_ok();
        eventually(PATIENCE, recovered).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_topics_than_one_chunk_are_listed_and_pruned() {
    const TOPICS: u64 = 600;
    let server = RedisServer::start().await;
    let store = store(&server.url()).await;
    let mut appends = JoinSet::new();
    for number in 0..2 * TOPICS {
        let (store, topic) = (
            Arc::clone(&store),
            samples::topic(&format!("t{}", number % TOPICS)),
        );
        appends.spawn(async move { store.append(samples::append(&topic, "text")).await.unwrap() });
        // On a busy machine more at once would exceed the time limit of an append.
        if appends.len() >= 100 {
            appends.join_next().await.unwrap().unwrap();
        }
    }
    appends.join_all().await;
    let mut request = TopicRequest::after(None, PageLimit::MAX);
    for more in [true, true, false] {
        let page = store.topics(request.clone()).await.unwrap();
        assert_eq!((page.topics.len(), page.has_more), (200, more));
        if let Some(last) = page.topics.last() {
            request.names = request.names.after(&last.topic);
        }
    }
    let policy = RetentionPolicy {
        max_age: DAY,
        max_count: 1,
    };
    for (budget, removed, more) in [(100, 100, true), (10_000, 500, false), (10_000, 0, false)] {
        let pruned = store.prune(&policy, budget).await.unwrap();
        assert_eq!((pruned.removed, pruned.more), (removed, more));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_to_one_topic_too_many_is_rejected() {
    let server = RedisServer::start().await;
    let mut settings = store_settings(&server.url());
    settings.max_topics = 3;
    let store = connect(settings).await;
    posthorn_testkit::store_contract::caps::topics_are_capped(&store, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_is_answered_where_its_topic_has_no_place() {
    let server = RedisServer::start().await;
    let mut settings = store_settings(&server.url());
    settings.max_topics = 3;
    let (store, other) = (connect(settings.clone()).await, connect(settings).await);
    // As retention does with a topic that was idle for a day.
    let forget = async |topic: &Topic| {
        let forget = ["ZREM", "posthorn:topics", topic.as_str()];
        assert_eq!(server.command(&forget).await.unwrap().trim(), "1");
    };
    posthorn_testkit::store_contract::caps::a_retry_is_answered_where_its_topic_has_no_place(
        &store, &other, 3, forget,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_of_one_topic_too_many_is_rejected() {
    let server = RedisServer::start().await;
    let mut settings = store_settings(&server.url());
    settings.max_topics = 3;
    let store = connect(settings).await;
    posthorn_testkit::webhook_contract::caps::topics_with_consumers_are_capped(&store, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_few_names_reads_no_other_topic() {
    let server = RedisServer::start().await;
    let store = connect(store_settings(&server.url())).await;
    for number in 0..600 {
        let topic = samples::topic(&format!("t{number:03}"));
        store.append(samples::append(&topic, "text")).await.unwrap();
    }
    let patterns = ["t599", "t12*", "absent"].map(|text| TopicPattern::parse(text).unwrap());
    let request = TopicRequest {
        names: TopicRanges::covering(&patterns),
        limit: PageLimit::MAX,
    };
    server.command(&["CONFIG", "RESETSTAT"]).await.unwrap();
    let page = store.topics(request).await.unwrap();
    let names: Vec<_> = page
        .topics
        .iter()
        .map(|summary| summary.topic.as_str())
        .collect();
    let expected: Vec<_> = (120..130)
        .chain([599])
        .map(|number| format!("t{number}"))
        .collect();
    assert_eq!(names, expected);
    let stats = server.command(&["INFO", "commandstats"]).await.unwrap();
    for (command, calls) in [("xinfo|stream", 11), ("zrangebylex", 3)] {
        let expected = format!("cmdstat_{command}:calls={calls},");
        assert!(stats.contains(&expected), "{stats}");
    }
}

/// Redis copies what a script reads, and serves nobody else meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn few_long_messages_are_read_at_once() {
    let server = RedisServer::start().await;
    let (store, topic) = (store(&server.url()).await, Topic::inbox());
    store
        .append(samples::append(&topic, "first"))
        .await
        .unwrap();
    // As long as a greater `MAX_MESSAGE_LENGTH` allows: 40 MB in all.
    let text = "x".repeat(400_000);
    for _ in 0..100 {
        let add = ["XADD", "posthorn:{t:inbox}:messages", "*", "content", &text];
        server.command(&add).await.unwrap();
    }
    let check = async |what: &str| {
        let info = server.command(&["INFO", "memory"]).await.unwrap();
        let of_lua = info
            .lines()
            .find_map(|line| line.strip_prefix("used_memory_lua:"));
        let of_lua: usize = of_lua.unwrap().trim().parse().unwrap();
        assert!(of_lua < 20_000_000, "{what}: {of_lua} bytes");
    };
    assert_eq!(store.page(&topic, ALL).await.unwrap().messages.len(), 1);
    check("a page").await;
    let policy = RetentionPolicy {
        max_age: DAY,
        max_count: 1,
    };
    let mut removed = 0;
    loop {
        let pruned = store.prune(&policy, 1_000).await.unwrap();
        removed += pruned.removed;
        check("retention").await;
        if !pruned.more {
            break;
        }
    }
    assert_eq!(removed, 100);
}
