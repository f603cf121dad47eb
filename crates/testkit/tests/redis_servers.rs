//! The servers for tests start, hang, crash and restart as documented.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use posthorn_testkit::{RedisCluster, RedisSentinel, RedisServer, eventually};

async fn keeps_its_data_over_a_crash(mut server: RedisServer) -> bool {
    server.command(&["SET", "key", "value"]).await.unwrap();
    server.stop();
    assert!(server.command(&["PING"]).await.is_err());
    server.start_again().await;
    server.command(&["GET", "key"]).await.unwrap() == "value"
}

#[tokio::test]
async fn a_durable_server_keeps_its_data_over_a_crash_and_a_plain_one_does_not() {
    assert!(keeps_its_data_over_a_crash(RedisServer::start_durable().await).await);
    assert!(!keeps_its_data_over_a_crash(RedisServer::start().await).await);
}

#[tokio::test]
async fn a_paused_server_hangs_until_it_is_resumed() {
    let server = RedisServer::start().await;
    server.pause();
    let hanging = tokio::time::timeout(Duration::from_millis(200), server.command(&["PING"])).await;
    assert!(hanging.is_err());
    server.resume();
    assert_eq!(server.command(&["PING"]).await.unwrap(), "PONG");
}

#[tokio::test]
async fn a_stopped_server_leaves_its_port() {
    let mut server = RedisServer::start().await;
    server.stop_gracefully().await;
    assert!(server.command(&["PING"]).await.is_err());
    server.start_again().await;
    let address = server.address();
    drop(server);
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn a_cluster_shares_the_slots_and_survives_the_restart_of_a_node() {
    let mut cluster = RedisCluster::start().await;
    let elsewhere = {
        let mut refusals = 0;
        for node in cluster.nodes() {
            if node.command(&["SET", "key", "value"]).await.is_err() {
                refusals += 1;
            }
        }
        refusals
    };
    assert_eq!(elsewhere, 2, "one node owns the key, the others redirect");
    let node = cluster.nodes_mut().first_mut().unwrap();
    node.stop();
    node.start_again().await;
    cluster.wait_until_ok().await;
}

#[tokio::test]
async fn sentinels_make_the_replica_a_master() {
    let mut redis = RedisSentinel::start(3).await;
    let old = redis.master_port().await;
    redis.fail_over().await;
    assert_ne!(redis.master_port().await, old);
    let master = redis.master_mut().await;
    eventually(Duration::from_mins(1), async || {
        master.command(&["SET", "key", "value"]).await.is_ok()
    })
    .await;
}
