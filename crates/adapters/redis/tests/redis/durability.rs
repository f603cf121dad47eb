//! The durability in receipts, and the servers that do not reach it.

use std::time::{Duration, Instant};

use posthorn_application::{AppendError, MessageStore, StoreError};
use posthorn_domain::{Durability, Topic};
use posthorn_redis::{RedisStore, RedisStoreError, RedisStoreSettings};
use posthorn_testkit::{FakeClock, RedisSentinel, RedisServer, SentinelSetup, eventually, samples};

use crate::support::{ALL, DAY, PATIENCE, connect, sentinel_url, store_settings};

fn requiring(durability: Durability, server: &RedisServer) -> RedisStoreSettings {
    let mut settings = store_settings(&server.url());
    settings.durability = durability;
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_name_the_durability_that_the_server_reaches() {
    for (server, expected) in [
        (RedisServer::start().await, Durability::Memory),
        (RedisServer::start_durable().await, Durability::Synced),
        (
            RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "everysec"]).await,
            Durability::Memory,
        ),
        (
            // The server syncs nothing while it rewrites the file.
            RedisServer::start_with(&[
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
                "--no-appendfsync-on-rewrite",
                "yes",
            ])
            .await,
            Durability::Memory,
        ),
    ] {
        let store = RedisStore::connect(requiring(Durability::Memory, &server))
            .await
            .unwrap();
        let receipt = store
            .append(samples::append(&Topic::inbox(), "text"))
            .await
            .unwrap()
            .receipt;
        assert_eq!(
            (store.durability(), receipt.durability),
            (expected, expected)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_reach_the_durability_is_rejected_with_the_settings_to_change() {
    let plain = RedisServer::start().await;
    let secretive = RedisServer::start_with(&[
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--rename-command",
        "CONFIG",
        "",
    ])
    .await;
    for server in [&plain, &secretive] {
        let error = RedisStore::connect(requiring(Durability::Synced, server))
            .await
            .err()
            .unwrap();
        assert_eq!(error, RedisStoreError::NotSynced);
        assert!(error.to_string().contains("appendfsync always"));
    }
    RedisStore::connect(requiring(Durability::Memory, &secretive))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_starts_without_its_replicas_is_read_and_written_once_they_are_there() {
    let primary = RedisServer::start_with(&["--save", "", "--repl-diskless-sync-delay", "0"]).await;
    let store = RedisStore::connect(requiring(Durability::Replicated, &primary)).await;
    let store = store.unwrap();
    let topic = Topic::inbox();
    let append = async || store.append(samples::append(&topic, "text")).await.is_ok();
    assert!(!append().await);
    assert!(store.health().await.is_err());
    assert!(store.page(&topic, ALL).await.is_ok());
    let replica_of = format!("127.0.0.1 {}", primary.port());
    let _replica = RedisServer::start_with(&["--save", "", "--replicaof", &replica_of]).await;
    eventually(Duration::from_mins(1), append).await;
    // Its link may go down once more after it was first up.
    let well = async || store.health().await.is_ok();
    eventually(Duration::from_mins(1), well).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_evicts_keys_is_accepted_for_memory_only() {
    let server = RedisServer::start_durable().await;
    let set = async |setting, value| {
        let command = ["CONFIG", "SET", setting, value];
        server.command(&command).await.unwrap();
    };
    let connect = async |durability| {
        RedisStore::connect(requiring(durability, &server))
            .await
            .err()
    };
    set("maxmemory-policy", "allkeys-lru").await;
    assert_eq!(connect(Durability::Synced).await, None);
    set("maxmemory", "100mb").await;
    let refused = Some(RedisStoreError::Evicts("allkeys-lru".to_owned()));
    for durability in [Durability::Synced, Durability::Replicated] {
        assert_eq!(connect(durability).await, refused);
    }
    assert_eq!(connect(Durability::Memory).await, None);
    set("maxmemory-policy", "noeviction").await;
    assert_eq!(connect(Durability::Synced).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_or_hung_server_fails_the_start_in_time() {
    let mut server = RedisServer::start().await;
    server.pause();
    for round in 0..2 {
        let begin = Instant::now();
        let outcome = RedisStore::connect(requiring(Durability::Memory, &server)).await;
        assert!(
            matches!(outcome.err(), Some(RedisStoreError::Unreachable(_))),
            "{round}"
        );
        assert!(
            begin.elapsed() < Duration::from_secs(2),
            "{:?}",
            begin.elapsed()
        );
        server.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_write_finds_a_server_that_stopped_syncing() {
    let server = RedisServer::start_durable().await;
    let (strict, lenient) = (
        RedisStore::connect(requiring(Durability::Synced, &server))
            .await
            .unwrap(),
        RedisStore::connect(requiring(Durability::Memory, &server))
            .await
            .unwrap(),
    );
    let append = async |store: &RedisStore| {
        let appended = store.append(samples::append(&Topic::inbox(), "text")).await;
        appended.map(|appended| appended.receipt.durability)
    };
    for (setting, unsafe_value, value) in [
        ("appendfsync", "no", "always"),
        ("appendfsync", "everysec", "always"),
        ("no-appendfsync-on-rewrite", "yes", "no"),
        ("appendonly", "no", "yes"),
    ] {
        for store in [&strict, &lenient] {
            assert_eq!(append(store).await, Ok(Durability::Synced), "{setting}");
        }
        let set = async |value| {
            let command = ["CONFIG", "SET", setting, value];
            server.command(&command).await.unwrap();
        };
        set(unsafe_value).await;
        // The connection stays, and with it the durability that was checked.
        let outcome = append(&strict).await;
        assert!(
            matches!(&outcome, Err(AppendError::Store(StoreError::Unavailable(text)))
                if text.contains("durability memory")),
            "{setting}: {outcome:?}"
        );
        assert!(strict.health().await.is_err(), "{setting}");
        assert_eq!(append(&lenient).await, Ok(Durability::Memory), "{setting}");
        set(value).await;
        assert_eq!(strict.health().await, Ok(()));
        // The write that finds the change was perhaps not synced.
        append(&lenient).await.unwrap();
        assert_eq!(append(&lenient).await, Ok(Durability::Synced), "{setting}");
        assert_eq!(append(&strict).await, Ok(Durability::Synced), "{setting}");
    }
}

/// What Redis reached at the start of a process decides nothing.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_required_durability_all_processes_have_what_redis_reaches() {
    let server = RedisServer::start_durable().await;
    let clock = FakeClock::new();
    let start = async || {
        let settings = store_settings(&server.url());
        let store = RedisStore::connect_at_start(settings, None, Duration::ZERO, &clock);
        store.await.unwrap()
    };
    let append = async |store: &RedisStore| {
        let appended = store.append(samples::append(&Topic::inbox(), "text")).await;
        appended.map(|appended| appended.receipt.durability)
    };
    let set = async |value| {
        let command = ["CONFIG", "SET", "appendfsync", value];
        server.command(&command).await.unwrap();
    };
    let early = start().await;
    assert_eq!(append(&early).await, Ok(Durability::Synced));
    set("everysec").await;
    let late = start().await;
    for store in [&early, &late] {
        assert_eq!(append(store).await, Ok(Durability::Memory));
        assert_eq!(store.health().await, Ok(()));
    }
    set("always").await;
    for store in [&early, &late] {
        append(store).await.unwrap();
        assert_eq!(append(store).await, Ok(Durability::Synced));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_write_finds_a_server_that_began_to_evict() {
    let server = RedisServer::start_durable().await;
    let set = async |setting, value| {
        let command = ["CONFIG", "SET", setting, value];
        server.command(&command).await.unwrap();
    };
    let connect = async |durability| {
        let settings = requiring(durability, &server);
        connect(settings).await
    };
    let strict = connect(Durability::Synced).await;
    let lenient = connect(Durability::Memory).await;
    let unset = async || {
        let settings = store_settings(&server.url());
        RedisStore::connect_at_start(settings, None, Duration::ZERO, &FakeClock::new()).await
    };
    let by_default = unset().await.unwrap();
    let append = async |store: &RedisStore| {
        let appended = store.append(samples::append(&Topic::inbox(), "text")).await;
        appended.map(|appended| appended.receipt.durability)
    };
    // A policy without a limit evicts nothing.
    set("maxmemory-policy", "volatile-ttl").await;
    for store in [&strict, &lenient, &by_default] {
        assert_eq!(append(store).await, Ok(Durability::Synced));
    }
    set("maxmemory", "100mb").await;
    // The connection stays, and with it what was checked.
    for store in [&strict, &by_default] {
        let outcome = append(store).await;
        assert!(
            matches!(&outcome, Err(AppendError::Store(StoreError::Unavailable(text)))
                if text.contains("maxmemory-policy")),
            "{outcome:?}"
        );
        assert!(store.health().await.is_err());
    }
    let refused = Some(RedisStoreError::Evicts("volatile-ttl".to_owned()));
    assert_eq!(unset().await.err(), refused);
    assert_eq!(append(&lenient).await, Ok(Durability::Memory));
    assert_eq!(
        connect(Durability::Memory).await.durability(),
        Durability::Memory
    );
    set("maxmemory-policy", "noeviction").await;
    assert_eq!(strict.health().await, Ok(()));
    assert_eq!(append(&strict).await, Ok(Durability::Synced));
}

/// The replica that is promoted has another setting than the old primary.
#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_server_that_evicts_is_rejected() {
    let evicting = [
        "--replica-priority",
        "10",
        "--maxmemory",
        "100mb",
        "--maxmemory-policy",
        "allkeys-lru",
    ];
    let mut sentinel = RedisSentinel::start_as(SentinelSetup {
        sentinels: 3,
        replicas: &[&evicting, &[]],
        ..SentinelSetup::default()
    })
    .await;
    let mut settings = store_settings(&sentinel_url(&sentinel));
    settings.durability = Durability::Replicated;
    let store = connect(settings).await;
    sentinel.fail_over().await;
    let append = async || store.append(samples::append(&Topic::inbox(), "text")).await;
    let is_rejected = async || {
        append()
            .await
            .is_err_and(|error| error.to_string().contains("maxmemory-policy"))
    };
    eventually(Duration::from_secs(20), is_rejected).await;
    let promoted = sentinel.server(sentinel.master_port().await);
    let keep = ["CONFIG", "SET", "maxmemory-policy", "noeviction"];
    promoted.command(&keep).await.unwrap();
    eventually(Duration::from_mins(1), async || append().await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_names_replicated_only_after_the_replica_acknowledged() {
    let primary = RedisServer::start_with(&["--save", "", "--repl-diskless-sync-delay", "0"]).await;
    let replica = RedisServer::start_with(&[
        "--save",
        "",
        "--replicaof",
        &format!("127.0.0.1 {}", primary.port()),
    ])
    .await;
    // For up to a second after it is online, a replica has acknowledged nothing.
    let acknowledges = async || {
        primary
            .command(&["SET", "something", "to copy"])
            .await
            .unwrap();
        let info = primary.command(&["INFO", "replication"]).await.unwrap();
        info.contains("state=online") && !info.contains("offset=0,")
    };
    eventually(Duration::from_secs(20), acknowledges).await;
    let settings = requiring(Durability::Replicated, &primary);
    let refused = RedisStore::connect(requiring(Durability::Memory, &replica)).await;
    assert_eq!(refused.err(), Some(RedisStoreError::Replica));
    let store = connect(settings.clone()).await;
    let other = connect(settings).await;
    let keyed = || samples::keyed_append(&Topic::inbox(), "text", "key", DAY);
    let first = store
        .append(samples::append(&Topic::inbox(), "text"))
        .await
        .unwrap();
    assert_eq!(first.receipt.durability, Durability::Replicated);
    let batch = || samples::keyed_batch(&samples::topic("batches"), &["0", "1"], "key", DAY);
    let stored = store.append_batch(batch()).await.unwrap();
    assert_eq!(stored.first.durability, Durability::Replicated);

    replica.pause();
    // A batch that is stored already needs the replica as well.
    assert!(store.append_batch(batch()).await.is_err());
    let begin = Instant::now();
    for _ in 0..2 {
        // The first append stores the message and the second one finds it; both must fail.
        let outcome = store.append(keyed()).await;
        assert!(
            matches!(
                &outcome,
                Err(AppendError::Store(StoreError::Unavailable(_)))
            ),
            "{outcome:?}"
        );
    }
    assert!(begin.elapsed() < 2 * store.bound());
    // So must an append over a connection that never wrote the message.
    assert!(other.append(keyed()).await.is_err());
    assert!(store.health().await.is_err());

    replica.resume();
    eventually(PATIENCE, async || other.append(keyed()).await.is_ok()).await;
    let replay = store.append(keyed()).await.unwrap();
    assert!(replay.replayed);
    assert_eq!(replay.receipt.durability, Durability::Replicated);
    let again = store.append_batch(batch()).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.first, stored.first);
    assert_eq!(
        primary
            .command(&["XLEN", "posthorn:{t:inbox}:messages"])
            .await
            .unwrap(),
        "2"
    );
}
