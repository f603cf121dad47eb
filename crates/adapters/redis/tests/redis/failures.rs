//! The store when servers die, hang, forget, fill up or hand over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use posthorn_application::{
    Anchor, AppendError, MessageStore, PageLimit, PageRequest, StoreError, TopicRequest,
};
use posthorn_domain::{Message, Topic};
use posthorn_redis::RedisStore;
use posthorn_testkit::{RedisCluster, RedisSentinel, RedisServer, eventually, samples};
use tokio::task::JoinSet;

use crate::support::{cluster_url, sentinel_url, store};

/// What a busy machine may add to a bound.
const SLACK: Duration = Duration::from_millis(500);
const DAY: Duration = Duration::from_hours(24);

const ALL: PageRequest = PageRequest {
    anchor: Anchor::Oldest,
    limit: PageLimit::MAX,
};

async fn texts(store: &RedisStore, topic: &Topic) -> Vec<String> {
    let page = store.page(topic, ALL).await.unwrap();
    let text = |message: &Arc<Message>| message.content.as_str().to_owned();
    page.messages.iter().map(text).collect()
}

/// Every operation says that the store is unavailable, and in time, however many ask at once.
async fn check_unavailable(store: &Arc<RedisStore>) {
    let topic = Topic::inbox();
    let begin = Instant::now();
    let mut asked = JoinSet::new();
    for number in 0..300 {
        let (store, topic) = (Arc::clone(store), topic.clone());
        asked.spawn(async move {
            match number % 6 {
                0 => store.page(&topic, ALL).await.map(drop),
                1 => store.health().await,
                2 => store.subscribe(&topic).await.map(drop),
                3 => {
                    let request = TopicRequest {
                        after: None,
                        limit: PageLimit::MAX,
                    };
                    store.topics(request).await.map(drop)
                }
                _ => match store.append(samples::append(&topic, "lost")).await {
                    Err(AppendError::Store(error)) => Err(error),
                    other => panic!("{other:?}"),
                },
            }
        });
    }
    while let Some(outcome) = asked.join_next().await {
        let outcome = outcome.unwrap();
        assert!(
            matches!(outcome, Err(StoreError::Unavailable(_))),
            "{outcome:?}"
        );
    }
    assert!(
        begin.elapsed() < store.bound() + SLACK,
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_and_a_restart_the_first_call_succeeds() {
    let mut server = RedisServer::start_durable().await;
    let (store, topic) = (store(&server.url()).await, Topic::inbox());
    store
        .append(samples::append(&topic, "before"))
        .await
        .unwrap();
    store.page(&topic, ALL).await.unwrap();
    server.stop();
    check_unavailable(&store).await;
    server.start_again().await;
    store
        .append(samples::append(&topic, "after"))
        .await
        .unwrap();
    assert_eq!(texts(&store, &topic).await, ["before", "after"]);
    assert_eq!(store.health().await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_server_is_unavailable_in_time() {
    let server = RedisServer::start().await;
    let (store, topic) = (store(&server.url()).await, Topic::inbox());
    store
        .append(samples::append(&topic, "before"))
        .await
        .unwrap();
    store.page(&topic, ALL).await.unwrap();
    server.pause();
    check_unavailable(&store).await;
    // And again, now that the connections are known to be broken.
    check_unavailable(&store).await;
    server.resume();
    let back = async || store.append(samples::append(&topic, "after")).await.is_ok();
    eventually(Duration::from_secs(5), back).await;
    assert_eq!(
        store.page(&topic, ALL).await.unwrap().messages.len(),
        texts(&store, &topic).await.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_forgets_the_script_is_taught_again() {
    let server = RedisServer::start().await;
    let (store, topic) = (store(&server.url()).await, Topic::inbox());
    for round in 0..20 {
        let mut appends = JoinSet::new();
        for number in 0..20 {
            let (store, topic) = (Arc::clone(&store), topic.clone());
            let key = format!("{round}-{number}");
            appends.spawn(async move {
                store
                    .append(samples::keyed_append(&topic, &key, &key, DAY))
                    .await
                    .unwrap()
            });
        }
        server.command(&["SCRIPT", "FLUSH"]).await.unwrap();
        assert_eq!(appends.join_all().await.len(), 20);
    }
    assert_eq!(
        server
            .command(&["XLEN", "posthorn:{t:inbox}:messages"])
            .await
            .unwrap(),
        "400"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_with_one_key_one_stores() {
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
async fn what_was_acknowledged_is_there_once_and_in_order_after_crashes_under_load() {
    const WRITERS: usize = 8;
    let mut server = RedisServer::start_durable().await;
    let (store, topic) = (store(&server.url()).await, Topic::inbox());
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, topic, stop) = (Arc::clone(&store), topic.clone(), Arc::clone(&stop));
        writers.spawn(async move {
            let mut acknowledged = Vec::new();
            for number in 0.. {
                let text = format!("{writer}-{number}");
                // A client that retries until it has its receipt.
                loop {
                    match store
                        .append(samples::keyed_append(&topic, &text, &text, DAY))
                        .await
                    {
                        Ok(appended) => break acknowledged.push((appended.receipt.id, text)),
                        Err(AppendError::Store(StoreError::Unavailable(_))) => {
                            tokio::time::sleep(Duration::from_millis(2)).await;
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
                if stop.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
            }
            acknowledged
        });
    }
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        server.stop();
        server.start_again().await;
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut acknowledged: Vec<_> = writers.join_all().await.into_iter().flatten().collect();
    acknowledged.sort();
    let mut stored = Vec::new();
    let mut request = ALL;
    loop {
        let page = store.page(&topic, request).await.unwrap();
        stored.extend(
            page.messages
                .iter()
                .map(|m| (m.id, m.content.as_str().to_owned())),
        );
        if !page.has_newer {
            break;
        }
        request.anchor = Anchor::After(stored.last().unwrap().0);
    }
    assert!(acknowledged.len() > 100, "{}", acknowledged.len());
    assert_eq!(stored, acknowledged);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fail_over_is_survived_with_growing_ids_and_woken_streams() {
    let mut sentinel = RedisSentinel::start(3).await;
    let (store, topic) = (store(&sentinel_url(&sentinel)).await, Topic::inbox());
    let before = store
        .append(samples::append(&topic, "before"))
        .await
        .unwrap()
        .receipt
        .id;
    let mut subscription = store.subscribe(&topic).await.unwrap();
    sentinel.fail_over().await;
    tokio::time::timeout(Duration::from_secs(5), subscription.changed())
        .await
        .unwrap();
    let accepted = async || store.append(samples::append(&topic, "after")).await.is_ok();
    eventually(Duration::from_secs(10), accepted).await;
    let page = store.page(&topic, ALL).await.unwrap();
    assert!(page.messages.iter().all(|message| message.id >= before));
    assert!(page.messages.is_sorted_by(|a, b| a.id < b.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_node_of_a_cluster_takes_its_topics_with_it_and_brings_them_back() {
    let arguments = [
        "--save",
        "",
        "--appendonly",
        "yes",
        "--cluster-require-full-coverage",
        "no",
    ];
    let mut cluster = RedisCluster::start_with(&arguments).await;
    let store = store(&cluster_url(&cluster)).await;
    let topics: Vec<_> = (0..30)
        .map(|number| samples::topic(&format!("t{number}")))
        .collect();
    for topic in &topics {
        store
            .append(samples::append(topic, "before"))
            .await
            .unwrap();
    }
    cluster.nodes_mut()[0].stop();
    let mut outcomes = JoinSet::new();
    for topic in topics.clone() {
        let store = Arc::clone(&store);
        outcomes.spawn(async move {
            let begin = Instant::now();
            let outcome = store.append(samples::append(&topic, "text")).await;
            assert!(
                begin.elapsed() < store.bound() + SLACK,
                "{:?}",
                begin.elapsed()
            );
            outcome.is_ok()
        });
    }
    let accepted = outcomes
        .join_all()
        .await
        .into_iter()
        .filter(|accepted| *accepted)
        .count();
    assert!(
        (1..30).contains(&accepted),
        "{accepted} of 30 topics take messages"
    );
    cluster.nodes_mut()[0].start_again().await;
    cluster.wait_until_ok().await;
    for topic in &topics {
        store.append(samples::append(topic, "after")).await.unwrap();
        assert_eq!(texts(&store, topic).await.last().unwrap(), "after");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_slot_is_followed() {
    let cluster = RedisCluster::start().await;
    let store = store(&cluster_url(&cluster)).await;
    let topic = samples::topic("moving");
    let slot = cluster.nodes()[0]
        .command(&["CLUSTER", "KEYSLOT", "{t:moving}"])
        .await
        .unwrap();
    store
        .append(samples::append(&samples::topic("warm"), "text"))
        .await
        .unwrap();
    // The slot is still empty, so it can be handed over without moving keys.
    let id = cluster.nodes()[2]
        .command(&["CLUSTER", "MYID"])
        .await
        .unwrap();
    for node in cluster.nodes() {
        node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &id])
            .await
            .unwrap();
    }
    store.append(samples::append(&topic, "text")).await.unwrap();
    assert_eq!(texts(&store, &topic).await, ["text"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_server_is_full_and_recovers() {
    let server = RedisServer::start().await;
    let (store, topic) = (store(&server.url()).await, Topic::inbox());
    store
        .append(samples::append(&topic, "before"))
        .await
        .unwrap();
    server
        .command(&["CONFIG", "SET", "maxmemory", "1"])
        .await
        .unwrap();
    for append in [
        samples::append(&topic, "text"),
        samples::keyed_append(&topic, "text", "key", DAY),
    ] {
        let outcome = store.append(append).await;
        assert!(
            matches!(outcome, Err(AppendError::Store(StoreError::Full(_)))),
            "{outcome:?}"
        );
    }
    server
        .command(&["CONFIG", "SET", "maxmemory", "0"])
        .await
        .unwrap();
    store
        .append(samples::append(&topic, "after"))
        .await
        .unwrap();
    assert_eq!(texts(&store, &topic).await, ["before", "after"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_is_corrupt() {
    let server = RedisServer::start().await;
    let (store, topic) = (store(&server.url()).await, Topic::inbox());
    let key = "posthorn:{t:inbox}:messages";
    server
        .command(&["XADD", key, "1-1", "field", "value"])
        .await
        .unwrap();
    let outcome = store.page(&topic, ALL).await;
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
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_grow_although_the_clock_went_back_and_the_topic_is_empty() {
    let mut server = RedisServer::start_durable().await;
    let (store, topic) = (store(&server.url()).await, Topic::inbox());
    // As if it had been accepted long ahead of the clock that the server has now.
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
    eventually(Duration::from_secs(10), rewritten).await;
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
async fn an_idle_topic_leaves_the_index_and_comes_back() {
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
    let policy = posthorn_application::RetentionPolicy {
        max_age: DAY,
        max_count: 10,
    };
    for expected in [1, 0] {
        assert_eq!(store.prune(&policy, 100).await.unwrap().removed, expected);
    }
    let index = ["ZRANGE", "posthorn:topics", "0", "-1"];
    assert_eq!(server.command(&index).await.unwrap(), "inbox");
    store.append(samples::append(&topic, "text")).await.unwrap();
    assert_eq!(server.command(&index).await.unwrap(), "inbox\nold");
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
    // The one that asks remains.
    eventually(Duration::from_secs(5), async || clients().await == 1).await;
}
