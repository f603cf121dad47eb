//! The store when its server dies, hangs, loses its scripts or is full.

use std::sync::Arc;
use std::time::{Duration, Instant};

use posthorn_application::{
    Anchor, AppendError, MessageStore, PageLimit, RetentionPolicy, StoreError, TopicRequest,
};
use posthorn_domain::Topic;
use posthorn_redis::RedisStore;
use posthorn_testkit::{RedisCluster, RedisServer, eventually, samples};
use tokio::task::JoinSet;

use crate::support::{ALL, DAY, PATIENCE, SLACK, cluster_url, store, texts};

/// Every operation fails as unavailable and in time, with many callers at once.
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
                    let request = TopicRequest::after(None, PageLimit::MAX);
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
    // Again, after the connections were found broken.
    check_unavailable(&store).await;
    server.resume();
    let back = async || store.append(samples::append(&topic, "after")).await.is_ok();
    eventually(PATIENCE, back).await;
    assert_eq!(
        store.page(&topic, ALL).await.unwrap().messages.len(),
        texts(&store, &topic).await.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_the_server_lost_is_sent_again() {
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
async fn acknowledged_messages_are_stored_once_and_in_order_through_crashes_under_load() {
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
        // For a new topic the index rejects the name already.
        samples::append(&samples::topic("new"), "text"),
    ] {
        let outcome = store.append(append).await;
        assert!(
            matches!(outcome, Err(AppendError::Store(StoreError::Full(_)))),
            "{outcome:?}"
        );
    }
    let health = store.health().await;
    assert!(matches!(health, Err(StoreError::Full(_))), "{health:?}");
    server
        .command(&["CONFIG", "SET", "maxmemory", "0"])
        .await
        .unwrap();
    assert_eq!(store.health().await, Ok(()));
    store
        .append(samples::append(&topic, "after"))
        .await
        .unwrap();
    assert_eq!(texts(&store, &topic).await, ["before", "after"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_server_is_read_and_freed() {
    let server = RedisServer::start().await;
    let (store, topic) = (store(&server.url()).await, Topic::inbox());
    let limit = async |bytes| {
        let limit = ["CONFIG", "SET", "maxmemory", bytes];
        server.command(&limit).await.unwrap();
    };
    limit("4mb").await;
    let text = "x".repeat(1_000);
    let mut count = 0;
    let full = loop {
        match store.append(samples::append(&topic, &text)).await {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
    };
    assert!(
        matches!(full, AppendError::Store(StoreError::Full(_))),
        "{full:?}"
    );
    // Less than the messages need, so that a freed buffer makes no difference.
    limit("1").await;
    let page = store.page(&topic, ALL).await.unwrap();
    assert_eq!(page.messages.len(), ALL.limit.get());
    let id = page.messages[0].id;
    // As after a restart: the fence is of another run.
    let fence = ["HSET", "posthorn:{t:inbox}:fence", "run", "other"];
    limit("0").await;
    server.command(&fence).await.unwrap();
    limit("1").await;
    assert_eq!(store.delete(&topic, id).await, Ok(true));
    let policy = RetentionPolicy {
        max_age: DAY,
        max_count: 10,
    };
    let pruned = store.prune(&policy, 100_000).await.unwrap();
    assert_eq!((pruned.removed, pruned.more), (count - 11, false));
    limit("4mb").await;
    let page = store.page(&topic, ALL).await.unwrap();
    assert_eq!(page.messages.len(), 10);
    store.append(samples::append(&topic, &text)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_rejects_writes_is_unhealthy_until_it_accepts_them() {
    let server = RedisServer::start().await;
    let store = store(&server.url()).await;
    assert_eq!(store.health().await, Ok(()));
    let replicas = |number| ["CONFIG", "SET", "min-replicas-to-write", number];
    let rights = |right| ["ACL", "SETUSER", "default", right];
    for (refuse, allow) in [
        (replicas("1"), replicas("0")),
        (rights("-xadd"), rights("+xadd")),
    ] {
        server.command(&refuse).await.unwrap();
        let health = store.health().await;
        assert!(
            matches!(health, Err(StoreError::Unavailable(_))),
            "{health:?}"
        );
        server.command(&allow).await.unwrap();
        assert_eq!(store.health().await, Ok(()));
    }
    // The probe stores nothing.
    assert_eq!(server.command(&["DBSIZE"]).await.unwrap(), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_probes_each_node_of_a_cluster() {
    let cluster = RedisCluster::start().await;
    let store = store(&cluster_url(&cluster)).await;
    for node in cluster.nodes() {
        assert_eq!(store.health().await, Ok(()));
        node.command(&["CONFIG", "SET", "maxmemory", "1"])
            .await
            .unwrap();
        let health = store.health().await;
        assert!(matches!(health, Err(StoreError::Full(_))), "{health:?}");
        node.command(&["CONFIG", "SET", "maxmemory", "0"])
            .await
            .unwrap();
    }
}
