//! The cache and the health check when servers fail.

use std::time::{Duration, Instant};

use crate::support::{PATIENCE, cluster_url, pool, sentinel_url};
use posthorn_application::{BackendError, Cache, Dependency, DependencyError};
use posthorn_domain::Timestamp;
use posthorn_redis::{RedisCache, RedisDependency};
use posthorn_testkit::{RedisCluster, RedisSentinel, RedisServer, eventually};

/// Far less than an operation without a limit would take, and more than a busy machine adds to the 750 ms of
/// checkout and command.
const BOUND: Duration = Duration::from_secs(5);
const MINUTE: Duration = Duration::from_mins(1);

type ByteCache = RedisCache<Vec<u8>>;

/// The operation fails as unavailable and in time.
async fn check_unavailable(cache: &ByteCache) {
    let begin = Instant::now();
    let outcome = cache.get("k").await;
    assert!(
        matches!(outcome, Err(BackendError::Unavailable(_))),
        "{outcome:?}"
    );
    assert!(begin.elapsed() < BOUND, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn clear_removes_every_key_of_the_cache_on_every_node_and_no_other() {
    let cluster = RedisCluster::start().await;
    let server = RedisServer::start().await;
    for (url, nodes) in [
        (server.url(), std::slice::from_ref(&server)),
        (cluster_url(&cluster), cluster.nodes()),
    ] {
        let pool = pool(&url);
        let cache = ByteCache::new(pool);
        for number in 0..1_500 {
            cache
                .set(&format!("key{number}"), &b"v".to_vec(), MINUTE)
                .await
                .unwrap();
        }
        // A key of another application, and one of the store; each on some node.
        for key in ["other:cache:k", "posthorn:topics"] {
            for node in nodes {
                let _moved_elsewhere = node.command(&["SET", key, "v"]).await;
            }
        }
        cache.clear().await.unwrap();
        let mut left = Vec::new();
        for node in nodes {
            let keys = node.command(&["KEYS", "*"]).await.unwrap();
            left.extend(keys.lines().map(str::to_owned));
        }
        left.sort();
        assert_eq!(left, ["other:cache:k", "posthorn:topics"]);
    }
}

#[tokio::test]
async fn a_dead_server_is_unavailable_in_time_and_the_first_call_after_its_restart_succeeds() {
    let mut server = RedisServer::start().await;
    let pool = pool(&server.url());
    let (cache, dependency) = (
        ByteCache::new(pool.clone()),
        RedisDependency::new(pool.clone()),
    );
    // Several connections, so that several break.
    let value = b"v".to_vec();
    let calls = (0..8).map(|_| cache.set("k", &value, MINUTE));
    futures_util::future::try_join_all(calls).await.unwrap();
    assert!(pool.status().idle > 1, "{:?}", pool.status());

    server.stop();
    check_unavailable(&cache).await;
    assert!(dependency.check().await.is_err());

    server.start_again().await;
    assert_eq!(cache.get("k").await, Ok(None));
    assert_eq!(dependency.check().await, Ok(()));
}

#[tokio::test]
async fn a_server_that_rejects_writes_or_scripts_is_unhealthy() {
    let (server, primary) = (RedisServer::start().await, RedisServer::start().await);
    let dependency = RedisDependency::new(pool(&server.url()));
    assert_eq!(dependency.check().await, Ok(()));
    let port = primary.port().to_string();
    for (refuse, allow) in [
        (
            ["CONFIG", "SET", "maxmemory", "1"].as_slice(),
            ["CONFIG", "SET", "maxmemory", "0"].as_slice(),
        ),
        (
            &["REPLICAOF", "127.0.0.1", &port],
            &["REPLICAOF", "NO", "ONE"],
        ),
        (
            &["ACL", "SETUSER", "default", "-evalsha"],
            &["ACL", "SETUSER", "default", "+evalsha"],
        ),
        (
            &["ACL", "SETUSER", "default", "-set"],
            &["ACL", "SETUSER", "default", "+set"],
        ),
        (
            &["CLIENT", "PAUSE", "60000", "WRITE"],
            &["CLIENT", "UNPAUSE"],
        ),
    ] {
        server.command(refuse).await.unwrap();
        assert!(dependency.check().await.is_err(), "{refuse:?}");
        server.command(allow).await.unwrap();
        assert_eq!(dependency.check().await, Ok(()), "{allow:?}");
    }
    assert_eq!(server.command(&["DBSIZE"]).await.unwrap(), "0");
    let cluster = RedisCluster::start().await;
    let dependency = RedisDependency::new(pool(&cluster_url(&cluster)));
    assert_eq!(dependency.check().await, Ok(()));
    // Each serves the keys in its own slots.
    for url in cluster.urls() {
        let error = RedisDependency::new(pool(&url)).check().await;
        let DependencyError(reason) = error.expect_err(&url);
        assert!(reason.contains("`redis+cluster://`"), "{reason}");
    }
}

#[tokio::test]
async fn a_hung_server_is_unavailable_in_time_with_any_number_of_connections() {
    let server = RedisServer::start().await;
    let cache = ByteCache::new(pool(&server.url()));
    let value = b"v".to_vec();
    let calls = (0..8).map(|_| cache.set("k", &value, MINUTE));
    futures_util::future::try_join_all(calls).await.unwrap();

    server.pause();
    futures_util::future::join_all((0..20).map(|_| check_unavailable(&cache))).await;
    server.resume();
    assert_eq!(cache.get("k").await, Ok(Some(b"v".to_vec())));
}

#[tokio::test]
async fn a_hung_or_dead_node_of_a_cluster_costs_no_more_than_the_bound() {
    let mut cluster = RedisCluster::start().await;
    let cache = ByteCache::new(pool(&cluster_url(&cluster)));
    cache.set("k", &b"v".to_vec(), MINUTE).await.unwrap();

    cluster.nodes().iter().for_each(RedisServer::pause);
    check_unavailable(&cache).await;
    cluster.nodes().iter().for_each(RedisServer::resume);
    eventually(Duration::from_secs(20), async || {
        cache.get("k").await.is_ok()
    })
    .await;

    for node in cluster.nodes_mut() {
        node.stop();
    }
    check_unavailable(&cache).await;
}

#[tokio::test]
async fn the_same_cache_survives_a_fail_over() {
    let mut sentinel = RedisSentinel::start(3).await;
    let cache = ByteCache::new(pool(&sentinel_url(&sentinel)));
    cache.set("k", &b"v".to_vec(), MINUTE).await.unwrap();
    sentinel.fail_over().await;
    eventually(PATIENCE, async || {
        cache.set("k", &b"w".to_vec(), MINUTE).await.is_ok()
    })
    .await;
    assert_eq!(cache.get("k").await, Ok(Some(b"w".to_vec())));
}

#[tokio::test]
async fn a_server_without_tls_is_unavailable_over_tls() {
    // Another test may have installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = RedisServer::start().await;
    for url in [
        server.url().replace("redis://", "rediss://"),
        format!("rediss+cluster://{}", server.address()),
        format!("rediss+sentinel://{}/name", server.address()),
    ] {
        check_unavailable(&ByteCache::new(pool(&url))).await;
    }
}

#[tokio::test]
async fn a_closed_pool_is_unavailable() {
    let server = RedisServer::start().await;
    let pool = pool(&server.url());
    let cache = ByteCache::new(pool.clone());
    cache.set("k", &b"v".to_vec(), MINUTE).await.unwrap();
    pool.close();
    check_unavailable(&cache).await;
    assert_eq!(pool.status().idle, 0);
}

#[tokio::test]
async fn a_permanent_error_is_a_failure() {
    let server = RedisServer::start().await;
    server
        .command(&["LPUSH", "posthorn:cache:list", "x"])
        .await
        .unwrap();
    let outcome = ByteCache::new(pool(&server.url())).get("list").await;
    assert!(
        matches!(outcome, Err(BackendError::Failed(_))),
        "{outcome:?}"
    );

    let protected = RedisServer::start().await;
    protected
        .command(&["CONFIG", "SET", "requirepass", "correct"])
        .await
        .unwrap();
    let outcome = ByteCache::new(pool(&protected.url().replace("//", "//:hunter2@")))
        .get("k")
        .await;
    assert!(matches!(&outcome, Err(BackendError::Failed(text)) if !text.contains("hunter2")));
}

#[tokio::test]
async fn a_full_server_is_unavailable() {
    let server =
        RedisServer::start_with(&["--maxmemory", "1", "--maxmemory-policy", "noeviction"]).await;
    let outcome = ByteCache::new(pool(&server.url()))
        .set("k", &b"v".to_vec(), MINUTE)
        .await;
    assert!(
        matches!(outcome, Err(BackendError::Unavailable(_))),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_timestamp_comes_back_and_an_unreadable_one_fails() {
    let server = RedisServer::start().await;
    let cache = RedisCache::<Timestamp>::new(pool(&server.url()));
    for timestamp in [0, 1_795_392_000_123, u64::MAX].map(Timestamp::from_millis) {
        cache.set("k", &timestamp, MINUTE).await.unwrap();
        assert_eq!(cache.get("k").await, Ok(Some(timestamp)));
    }
    for unreadable in ["", "-1", "yesterday", "{\"timestamp_ms\":1}"] {
        server
            .command(&["SET", "posthorn:cache:k", unreadable])
            .await
            .unwrap();
        let outcome = cache.get("k").await;
        assert!(
            matches!(outcome, Err(BackendError::Failed(_))),
            "{unreadable}: {outcome:?}"
        );
    }
}
