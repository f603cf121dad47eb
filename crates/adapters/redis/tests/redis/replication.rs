//! Writes behind Sentinels with the durability `replicated`: no server that a Sentinel could promote lacks
//! what was acknowledged.

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    Clock, ConsumerStore, LeaseUpdate, MessageStore, Precondition, PullRequest, PutConsumer,
    RevocationList,
};
use posthorn_domain::{
    ConsumerKey, ConsumerKind, ConsumerName, ConsumerPosition, ConsumerSettings, Durability,
    LeaseNonce, LeaseToken, MessageId, PullLimit, SettingsTag, TokenId, Topic,
};
use posthorn_redis::{RedisRevocationList, RedisStore};
use posthorn_testkit::{FakeClock, RedisSentinel, SentinelSetup, eventually, samples};

use crate::support::{ALL, DAY, PATIENCE, connect, sentinel_url, store_settings, texts};

/// Sentinels prefer the first replica to the second one.
const REPLICAS: [&[&str]; 2] = [
    &["--replica-priority", "10"],
    &["--replica-priority", "100"],
];

async fn servers() -> RedisSentinel {
    RedisSentinel::start_as(SentinelSetup {
        sentinels: 3,
        replicas: &REPLICAS,
        ..SentinelSetup::default()
    })
    .await
}

async fn replicated(sentinel: &RedisSentinel) -> Arc<RedisStore> {
    let mut settings = store_settings(&sentinel_url(sentinel));
    settings.durability = Durability::Replicated;
    Arc::new(connect(settings).await)
}

fn key(name: &str) -> ConsumerKey {
    ConsumerKey {
        topic: Topic::inbox(),
        kind: ConsumerKind::Consumer,
        name: ConsumerName::parse(name).unwrap(),
    }
}

fn put() -> PutConsumer {
    PutConsumer {
        settings: ConsumerSettings::default(),
        tag: SettingsTag::from_bytes([1; 16]),
        start: ConsumerPosition::Oldest,
        precondition: Precondition::None,
    }
}

/// A store with a consumer, two messages and their leases.
struct Written {
    store: Arc<RedisStore>,
    list: RedisRevocationList,
    clock: Arc<FakeClock>,
    ids: Vec<MessageId>,
    leases: Vec<LeaseToken>,
}

impl Written {
    async fn new(sentinel: &RedisSentinel) -> Self {
        let store = replicated(sentinel).await;
        let clock = Arc::new(FakeClock::new());
        let list =
            RedisRevocationList::new(Arc::clone(&store), Arc::clone(&clock) as Arc<dyn Clock>);
        // On a loaded machine a replica may be late at first.
        let mut ids = Vec::new();
        for number in 0..2 {
            let append = samples::keyed_append(&Topic::inbox(), "text", &number.to_string(), DAY);
            let mut appended = None;
            eventually(Duration::from_secs(20), async || {
                appended = store.append(append.clone()).await.ok();
                appended.is_some()
            })
            .await;
            ids.push(appended.unwrap().receipt.id);
        }
        store.put(&key("work"), put()).await.unwrap();
        let nonce = LeaseNonce::from_bits(1);
        let request = PullRequest {
            limit: PullLimit::parse(2).unwrap(),
            lease: None,
            nonce,
        };
        let pulled = store.pull(&key("work"), request).await.unwrap();
        let leases = pulled.messages.iter().map(|m| m.token(nonce)).collect();
        Self {
            store,
            list,
            clock,
            ids,
            leases,
        }
    }

    async fn update(&self, update: LeaseUpdate) -> bool {
        let work = key("work");
        let updated = self.store.update_leases(&work, &self.leases, update);
        updated.await.is_ok()
    }

    /// Tries every kind of write that must survive; returns the names of those that succeeded.
    async fn try_all(&self) -> Vec<&'static str> {
        let (store, inbox, work) = (&self.store, Topic::inbox(), key("work"));
        let until = self.clock.now().saturating_add(DAY);
        let nack = LeaseUpdate::Nack {
            delay: Some(Duration::ZERO),
            reason: None,
        };
        let id = TokenId::parse("revoked").unwrap();
        let batch = samples::batch(&inbox, &["a", "b"]);
        let deleted = MessageStore::delete(&**store, &inbox, self.ids[0]);
        let none = &Precondition::None;
        let outcomes = [
            (
                "message",
                store.append(samples::append(&inbox, "text")).await.is_ok(),
            ),
            ("batch", store.append_batch(batch).await.is_ok()),
            ("deletion", deleted.await.is_ok()),
            ("revocation", self.list.revoke(&id, until).await.is_ok()),
            ("put", store.put(&work, put()).await.is_ok()),
            ("creation", store.put(&key("new"), put()).await.is_ok()),
            ("extension", self.update(LeaseUpdate::Extend(None)).await),
            ("rejection", self.update(nack).await),
            ("acknowledgement", self.update(LeaseUpdate::Ack).await),
            (
                "seek",
                store.seek(&work, ConsumerPosition::Oldest).await.is_ok(),
            ),
            (
                "redrive",
                store.redrive(&work, &[self.ids[1]]).await.is_ok(),
            ),
            (
                "dead letter",
                store.delete_dead_letter(&work, self.ids[1]).await.is_ok(),
            ),
            (
                "removal",
                ConsumerStore::delete(&**store, &key("new"), none)
                    .await
                    .is_ok(),
            ),
            ("health", store.health().await.is_ok()),
        ];
        let succeeded = outcomes.into_iter().filter(|(_, succeeded)| *succeeded);
        succeeded.map(|(name, _)| name).collect()
    }
}

/// A Sentinel promotes also a server that claims to be a primary: for eight seconds it does not say
/// otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn no_message_is_acknowledged_that_the_promotion_of_a_late_replica_would_lose() {
    let mut sentinel = servers().await;
    let late = sentinel.servers()[1].port();
    let detach = ["REPLICAOF", "NO", "ONE"];
    sentinel.server(late).command(&detach).await.unwrap();
    // This store has never seen the other replica.
    let store = replicated(&sentinel).await;
    let mut acknowledged = Vec::new();
    for number in 0..5 {
        let text = format!("message {number}");
        let append = samples::append(&Topic::inbox(), &text);
        if store.append(append).await.is_ok() {
            acknowledged.push(text);
        }
    }
    // The late replica is promoted, because it is preferred.
    sentinel.fail_over().await;
    assert_eq!(sentinel.master_port().await, late);
    let is_read = async || store.page(&Topic::inbox(), ALL).await.is_ok();
    eventually(PATIENCE, is_read).await;
    let found = texts(&store, &Topic::inbox()).await;
    acknowledged.retain(|text| !found.contains(text));
    assert_eq!(acknowledged, Vec::<String>::new(), "lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_kind_of_write_is_acknowledged_without_a_server_that_can_be_promoted() {
    let sentinel = servers().await;
    let written = Written::new(&sentinel).await;
    let late = &sentinel.servers()[1];
    late.command(&["REPLICAOF", "NO", "ONE"]).await.unwrap();
    assert_eq!(written.try_all().await, Vec::<&str>::new());
    // A Sentinel makes it a replica again.
    let all = async || written.try_all().await.len() == 14;
    eventually(Duration::from_mins(1), all).await;
    assert!(late.is_replica().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demoted_primary_acknowledges_too_before_writes_are() {
    let sentinel = servers().await;
    let written = Written::new(&sentinel).await;
    let (old, _) = sentinel.fail_over_planned().await;
    let old = sentinel.server(old);
    let mut accepted = 0;
    let all = async || {
        let succeeded = written.try_all().await;
        assert!(
            succeeded.is_empty() || old.is_replica().await,
            "{succeeded:?}"
        );
        accepted = accepted.max(succeeded.len());
        accepted == 14
    };
    eventually(Duration::from_mins(1), all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_changes_nothing_waits_for_the_replicas_also_while_the_memory_is_full() {
    let sentinel = servers().await;
    let written = Written::new(&sentinel).await;
    let primary = &sentinel.servers()[0];
    let written_marks = async || {
        let stats = primary.command(&["INFO", "commandstats"]).await.unwrap();
        let set = stats.lines().find(|line| line.starts_with("cmdstat_set:"));
        let set = set.unwrap_or_default().to_owned();
        assert!(
            !set.contains("failed_calls=") || set.contains("failed_calls=0"),
            "{set}"
        );
        let calls = set.split(&['=', ','][..]).nth(1).unwrap_or("0");
        calls.parse::<u64>().unwrap()
    };
    let full = ["CONFIG", "SET", "maxmemory", "1"];
    primary.command(&full).await.unwrap();
    assert!(
        written
            .store
            .append(samples::append(&Topic::inbox(), "text"))
            .await
            .is_err()
    );
    assert!(written.update(LeaseUpdate::Ack).await);
    let before = written_marks().await;
    assert!(
        written.update(LeaseUpdate::Ack).await,
        "the leases are stale"
    );
    assert_eq!(written_marks().await, before + 1);
}
