//! The quota counter beyond its contract: its keys, its cost, and failures of its server.

use std::time::{Duration, Instant};

use posthorn_application::{BackendError, QuotaCounter};
use posthorn_domain::QuotaStrategy::{FixedWindow, MovingWindow};
use posthorn_redis::RedisQuotaCounter;
use posthorn_testkit::quota_contract::{STRATEGIES, key, rule};
use posthorn_testkit::{RedisCluster, RedisSentinel, RedisServer, eventually};

use crate::support::{PATIENCE, SLACK, cluster_url, pool, sentinel_url};

fn counter(url: &str) -> RedisQuotaCounter {
    RedisQuotaCounter::new(pool(url))
}

async fn check_unavailable(counter: &RedisQuotaCounter) {
    let begin = Instant::now();
    let outcome = counter
        .hit(&key("k"), &rule("9 per day", FixedWindow))
        .await;
    assert!(
        matches!(outcome, Err(BackendError::Unavailable(_))),
        "{outcome:?}"
    );
    // The checkout and the command together.
    let bound = Duration::from_millis(750) + SLACK;
    assert!(begin.elapsed() < bound, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn every_key_has_a_ttl_and_a_peek_writes_none() {
    let server = RedisServer::start().await;
    let counter = counter(&server.url());
    for strategy in STRATEGIES {
        let (key, rule) = (key("alice"), rule("5 per second;9 per 2 minutes", strategy));
        counter.peek(&key, &rule).await.unwrap();
        assert_eq!(server.command(&["DBSIZE"]).await.unwrap().trim(), "0");
        counter.hit(&key, &rule).await.unwrap();
        let name = match strategy {
            FixedWindow => "posthorn:quota:{sub:alice}:message:fixed",
            MovingWindow => "posthorn:quota:{sub:alice}:message:moving",
        };
        let millis: i64 = server
            .command(&["PTTL", name])
            .await
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        assert!((1..=120_000).contains(&millis), "{millis}");
        server.command(&["FLUSHALL"]).await.unwrap();
    }
}

#[tokio::test]
async fn a_moving_window_keeps_only_what_its_longest_window_counts() {
    let server = RedisServer::start().await;
    let counter = counter(&server.url());
    let (key, rule) = (key("alice"), rule("3 per second;50 per hour", MovingWindow));
    let card = ["ZCARD", "posthorn:quota:{sub:alice}:message:moving"];
    for _ in 0..30 {
        counter.hit(&key, &rule).await.unwrap();
    }
    assert_eq!(server.command(&card).await.unwrap().trim(), "3");
}

#[tokio::test]
async fn a_process_without_the_longest_window_keeps_its_requests() {
    let server = RedisServer::start().await;
    let counter = counter(&server.url());
    let key = key("alice");
    for strategy in STRATEGIES {
        let (both, short) = (
            rule("9 per second;9 per 20 hours", strategy),
            rule("9 per second", strategy),
        );
        counter.hit(&key, &both).await.unwrap();
        let name = match strategy {
            FixedWindow => "posthorn:quota:{sub:alice}:message:fixed",
            MovingWindow => "posthorn:quota:{sub:alice}:message:moving",
        };
        if strategy == MovingWindow {
            // Outside the short window.
            let now = server.command(&["TIME"]).await.unwrap();
            let seconds: u64 = now.lines().next().unwrap().parse().unwrap();
            let at = format!("{}000000", seconds - 3_600);
            server.command(&["ZADD", name, &at, &at]).await.unwrap();
        }
        let life = async || -> i64 {
            let left = server.command(&["PTTL", name]).await.unwrap();
            left.trim().parse().unwrap()
        };
        let before = life().await;
        counter.hit(&key, &short).await.unwrap();
        let after = life().await;
        assert!((0..60_000).contains(&(before - after)), "{before} {after}");
        if strategy == MovingWindow {
            let used = counter.peek(&key, &both).await.unwrap().windows[1].used;
            assert_eq!(used, 3);
        }
    }
}

#[tokio::test]
async fn a_decision_is_one_command_on_one_connection() {
    let server = RedisServer::start().await;
    let counter = counter(&server.url());
    let (key, rule) = (
        key("k"),
        rule("100000 per day;200000 per month", FixedWindow),
    );
    counter.hit(&key, &rule).await.unwrap();
    let number = async |name: &str| -> u64 {
        let info = server.command(&["INFO", "stats"]).await.unwrap();
        let line = info.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().parse().unwrap()
    };
    let commands = "total_commands_processed:";
    let connections = "total_connections_received:";
    let (commands_before, connections_before) = (number(commands).await, number(connections).await);
    let decisions = 200;
    let hits = (0..decisions).map(|_| counter.hit(&key, &rule));
    futures_util::future::try_join_all(hits).await.unwrap();
    let (commands, connections) = (number(commands).await, number(connections).await);
    // Each script call runs TIME, HGET and HSET twice, and PTTL; PEXPIREAT too where the two clocks
    // differ by a millisecond. Each reading of the statistics is one command and one connection.
    let asked = commands - commands_before - 2;
    assert!((decisions * 7..=decisions * 8).contains(&asked), "{asked}");
    assert_eq!(connections - connections_before, 2);
}

#[tokio::test]
async fn a_script_that_the_server_lost_is_loaded_again() {
    let server = RedisServer::start().await;
    let counter = counter(&server.url());
    for strategy in STRATEGIES {
        let (key, rule) = (key("k"), rule("9 per day", strategy));
        for used in 1..=3 {
            server.command(&["SCRIPT", "FLUSH"]).await.unwrap();
            let decision = counter.hit(&key, &rule).await.unwrap();
            assert_eq!(decision.windows[0].used, used);
        }
    }
}

#[tokio::test]
async fn a_dead_server_is_unavailable_in_time_and_the_first_call_after_its_restart_counts() {
    let mut server = RedisServer::start().await;
    let counter = counter(&server.url());
    let (key, rule) = (key("k"), rule("9 per day", MovingWindow));
    counter.hit(&key, &rule).await.unwrap();
    // Restarted before a call fails, and after.
    server.stop();
    server.start_again().await;
    assert!(counter.hit(&key, &rule).await.unwrap().shared);
    server.stop();
    check_unavailable(&counter).await;
    server.start_again().await;
    assert!(counter.hit(&key, &rule).await.unwrap().shared);
}

#[tokio::test]
async fn a_hung_server_is_unavailable_in_time_with_many_callers() {
    let server = RedisServer::start().await;
    let counter = counter(&server.url());
    let (key, rule) = (key("k"), rule("9 per day", FixedWindow));
    counter.hit(&key, &rule).await.unwrap();
    server.pause();
    futures_util::future::join_all((0..50).map(|_| check_unavailable(&counter))).await;
    server.resume();
    assert!(counter.peek(&key, &rule).await.is_ok());
}

#[tokio::test]
async fn a_fail_over_is_survived() {
    let mut sentinel = RedisSentinel::start(3).await;
    let counter = counter(&sentinel_url(&sentinel));
    let (key, rule) = (key("k"), rule("1000 per day", FixedWindow));
    counter.hit(&key, &rule).await.unwrap();
    sentinel.fail_over().await;
    eventually(PATIENCE, async || counter.hit(&key, &rule).await.is_ok()).await;
}

#[tokio::test]
async fn a_dead_cluster_is_unavailable_in_time() {
    let mut cluster = RedisCluster::start().await;
    let counter = counter(&cluster_url(&cluster));
    let rule = rule("9 per day", FixedWindow);
    assert!(counter.hit(&key("k"), &rule).await.unwrap().allowed);
    for node in cluster.nodes_mut() {
        node.stop();
    }
    check_unavailable(&counter).await;
}

#[tokio::test]
async fn a_permanent_error_is_a_failure() {
    let server = RedisServer::start().await;
    let name = "posthorn:quota:{sub:k}:message:fixed";
    server.command(&["SET", name, "x"]).await.unwrap();
    let outcome = counter(&server.url())
        .hit(&key("k"), &rule("9 per day", FixedWindow))
        .await;
    assert!(
        matches!(outcome, Err(BackendError::Failed(_))),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_full_server_is_unavailable() {
    let server =
        RedisServer::start_with(&["--maxmemory", "1", "--maxmemory-policy", "noeviction"]).await;
    let outcome = counter(&server.url())
        .hit(&key("k"), &rule("9 per day", FixedWindow))
        .await;
    assert!(
        matches!(outcome, Err(BackendError::Unavailable(_))),
        "{outcome:?}"
    );
}
