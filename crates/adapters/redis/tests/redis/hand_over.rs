//! The store when another server takes over: fail-over, moved slots, demoted primaries.

use std::sync::Arc;
use std::time::{Duration, Instant};

use posthorn_application::{Cache, MessageStore, RevocationList};
use posthorn_domain::{TokenId, Topic};
use posthorn_redis::{RedisCache, RedisRevocationList, RedisStore, RedisStoreError};
use posthorn_testkit::{FakeClock, RedisCluster, RedisSentinel, RedisServer, eventually, samples};
use tokio::task::JoinSet;

use crate::support::{
    ALL, DAY, PATIENCE, SLACK, cluster_url, pool, sentinel_url, store, store_settings, texts,
};

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
    eventually(PATIENCE, accepted).await;
    let page = store.page(&topic, ALL).await.unwrap();
    assert!(page.messages.iter().all(|message| message.id >= before));
    assert!(page.messages.is_sorted_by(|a, b| a.id < b.id));
}

/// A demoted primary accepts writes, and loses them, until a Sentinel reconfigures it about eight seconds
/// later.
#[tokio::test(flavor = "multi_thread")]
async fn no_write_goes_to_a_demoted_primary() {
    let sentinel = RedisSentinel::start(3).await;
    let (store, topic) = (store(&sentinel_url(&sentinel)).await, Topic::inbox());
    store
        .append(samples::append(&topic, "before"))
        .await
        .unwrap();
    let (old, new) = sentinel.fail_over_planned().await;
    let length = ["XLEN", "posthorn:{t:inbox}:messages"];
    let count = async |port| {
        let reply = sentinel.server(port).command(&length).await;
        reply.unwrap().parse::<usize>().unwrap()
    };
    let arrives = async || {
        let before = count(new).await;
        let appended = store.append(samples::append(&topic, "after")).await;
        appended.is_ok() && count(new).await > before
    };
    eventually(Duration::from_secs(1), arrives).await;
    let accepted = count(old).await;
    let appended = store.append(samples::append(&topic, "deleted")).await;
    let id = appended.unwrap().receipt.id;
    assert_eq!(store.delete(&topic, id).await, Ok(true));
    assert_eq!(count(old).await, accepted);
    // Not because the old primary rejects writes.
    assert!(!sentinel.server(old).is_replica().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_sentinel_delays_no_call() {
    let mut sentinel = RedisSentinel::start(3).await;
    // It is the first in the URL.
    sentinel.sentinels()[0].pause();
    let url = sentinel_url(&sentinel);
    let cache = RedisCache::new(pool(&url));
    cache.set("k", &b"v".to_vec(), DAY).await.unwrap();
    let (store, topic) = (store(&url).await, Topic::inbox());
    store
        .append(samples::append(&topic, "before"))
        .await
        .unwrap();
    sentinel.fail_over().await;
    let recovered = async || {
        store.append(samples::append(&topic, "after")).await.is_ok()
            && cache.set("k", &b"w".to_vec(), DAY).await.is_ok()
    };
    eventually(PATIENCE, recovered).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_node_of_a_cluster_takes_only_its_topics_down() {
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
    // The slot is empty, so it can move without keys.
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
async fn the_new_node_of_a_migrating_slot_serves_what_the_old_one_does_not_have() {
    let cluster = RedisCluster::start().await;
    let store = store(&cluster_url(&cluster)).await;
    let [to, _, from] = cluster.nodes() else {
        panic!("three nodes");
    };
    let ask = async |node: &RedisServer, words: &[&str]| node.command(words).await.unwrap();
    let (from_id, to_id) = (
        ask(from, &["CLUSTER", "MYID"]).await,
        ask(to, &["CLUSTER", "MYID"]).await,
    );
    // Of the topic `moving`, of the probe of its node, and of the revocation of `token-6`.
    let slots = [
        ask(to, &["CLUSTER", "KEYSLOT", "{t:moving}"]).await,
        ask(to, &["CLUSTER", "KEYSLOT", "{0}"]).await,
        ask(to, &["CLUSTER", "KEYSLOT", "posthorn:denied:token-6"]).await,
    ];
    for slot in &slots {
        ask(to, &["CLUSTER", "SETSLOT", slot, "IMPORTING", &from_id]).await;
        ask(from, &["CLUSTER", "SETSLOT", slot, "MIGRATING", &to_id]).await;
    }
    let topic = samples::topic("moving");
    store.append(samples::append(&topic, "text")).await.unwrap();
    assert_eq!(store.health().await, Ok(()));
    let count = ["CLUSTER", "COUNTKEYSINSLOT", &slots[0]];
    assert_eq!(ask(to, &count).await, "1");
    let tokens = RedisRevocationList::new(Arc::clone(&store), Arc::new(FakeClock::new()));
    let token = TokenId::parse("token-6").unwrap();
    assert_eq!(tokens.is_revoked(&token).await, Ok(false));
    for node in cluster.nodes() {
        for slot in &slots {
            ask(node, &["CLUSTER", "SETSLOT", slot, "NODE", &to_id]).await;
        }
    }
    store
        .append(samples::append(&topic, "after"))
        .await
        .unwrap();
    assert_eq!(texts(&store, &topic).await, ["text", "after"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_topology_of_a_node_without_slots_is_rejected() {
    let stranger = RedisServer::start_with(&["--save", "", "--cluster-enabled", "yes"]).await;
    let alone = format!("redis+cluster://{}", stranger.address());
    let refused = RedisStore::connect(store_settings(&alone)).await.err();
    assert!(
        matches!(&refused, Some(RedisStoreError::Unreachable(text)) if text.contains("no slots")),
        "{refused:?}"
    );
    let cluster = RedisCluster::start().await;
    let both = format!("{alone},{}", cluster.nodes()[0].address());
    for _ in 0..20 {
        let store = store(&both).await;
        store
            .append(samples::append(&Topic::inbox(), "text"))
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_without_some_slots_is_unhealthy_until_they_have_owners() {
    let cluster = RedisServer::start_with(&[
        "--save",
        "",
        "--cluster-enabled",
        "yes",
        "--cluster-require-full-coverage",
        "no",
    ])
    .await;
    let slots = async |change: &str, first: &str, last: &str| {
        cluster
            .command(&["CLUSTER", change, first, last])
            .await
            .unwrap();
    };
    // Topic `kept` is in slot 2145 and the index in 7692; topic `moving` is in 11438.
    let url = format!("redis+cluster://{}", cluster.address());
    slots("ADDSLOTSRANGE", "0", "9999").await;
    let refused = RedisStore::connect(store_settings(&url)).await.err();
    assert!(
        matches!(&refused, Some(RedisStoreError::Unreachable(text)) if text.contains("slots")),
        "{refused:?}"
    );
    slots("ADDSLOTSRANGE", "10000", "16383").await;
    let store = store(&url).await;
    // A node that just got its last slots rejects writes for a moment.
    let well = async || store.health().await.is_ok();
    eventually(PATIENCE, well).await;
    slots("DELSLOTSRANGE", "10000", "16383").await;
    let append = async |topic: &str| {
        store
            .append(samples::append(&samples::topic(topic), "text"))
            .await
    };
    let noticed = async || append("moving").await.is_err() && store.health().await.is_err();
    eventually(PATIENCE, noticed).await;
    eventually(PATIENCE, async || append("kept").await.is_ok()).await;
    assert!(store.health().await.is_err());
    slots("ADDSLOTSRANGE", "10000", "16383").await;
    let whole = async || store.health().await.is_ok() && append("moving").await.is_ok();
    eventually(PATIENCE, whole).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_a_demoted_primary_are_replaced() {
    let old = RedisServer::start().await;
    let (store, topic) = (store(&old.url()).await, Topic::inbox());
    store
        .append(samples::append(&topic, "before"))
        .await
        .unwrap();
    let connections = async || {
        let clients = old.command(&["INFO", "stats"]).await.unwrap();
        let count = clients
            .lines()
            .find_map(|line| line.strip_prefix("total_connections_received:"));
        count.unwrap().parse::<u64>().unwrap()
    };
    let new = RedisServer::start().await;
    old.command(&["REPLICAOF", "127.0.0.1", &new.port().to_string()])
        .await
        .unwrap();
    let before = connections().await;
    let outcome = store.append(samples::append(&topic, "refused")).await;
    assert!(outcome.is_err_and(|error| error.to_string().contains("unavailable")));
    // Each rejection opened a connection, which could have led to another server, and the count one.
    assert!(connections().await > before + 1);
    assert!(store.health().await.is_err());
    old.command(&["REPLICAOF", "NO", "ONE"]).await.unwrap();
    assert_eq!(store.health().await, Ok(()));
    store
        .append(samples::append(&topic, "after"))
        .await
        .unwrap();
}
