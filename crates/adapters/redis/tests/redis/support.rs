//! Servers for the tests of this crate, and stores, caches and lists on them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use posthorn_application::{
    Anchor, Cache, Clock, ConsumerStore, MessageStore, PageLimit, PageRequest, QuotaCounter,
    RevocationList, WebhookStore,
};
use posthorn_domain::{Durability, Message, Topic};
use posthorn_redis::{
    RedisCache, RedisPool, RedisQuotaCounter, RedisRevocationList, RedisSettings, RedisStore,
    RedisStoreSettings,
};
use posthorn_testkit::{
    CacheHarness, ConsumerHarness, FakeClock, QuotaHarness, RedisCluster, RedisSentinel,
    RedisServer, RevocationListHarness, SentinelSetup, StoreHarness, WebhookHarness,
};
use secrecy::SecretString;
use tokio::sync::OnceCell;

use crate::lent::Lent;

/// Servers for one test.
pub(crate) enum Servers {
    Single(Lent<RedisServer>),
    Cluster(Lent<RedisCluster>),
    /// A part of the servers that several tests share.
    SharedSentinel {
        prefix: String,
    },
}

/// The prefix of all keys of tests on servers of their own.
const PREFIX: &str = "posthorn";

/// One primary, one replica and one Sentinel: they take seconds to start.
static SENTINEL: OnceCell<RedisSentinel> = OnceCell::const_new();
static SENTINEL_URL: OnceLock<String> = OnceLock::new();
static PREFIXES: AtomicUsize = AtomicUsize::new(0);

impl Servers {
    pub(crate) async fn server() -> Self {
        let server: Lent<RedisServer> = Lent::lend().await;
        set_user(&server, &documented_user()).await;
        Self::Single(server)
    }

    pub(crate) async fn cluster() -> Self {
        let cluster: Lent<RedisCluster> = Lent::lend().await;
        for node in cluster.nodes() {
            set_user(node, &documented_user()).await;
        }
        Self::Cluster(cluster)
    }

    pub(crate) async fn shared_sentinel() -> Self {
        // No fail-over: on a busy machine a server may not respond for a second, and the acknowledged
        // writes of these tests, which wait for no replica, would be lost.
        let calm = || {
            RedisSentinel::start_as(SentinelSetup {
                down_after: Duration::from_mins(1),
                ..SentinelSetup::default()
            })
        };
        let shared = SENTINEL.get_or_init(calm).await;
        SENTINEL_URL.get_or_init(|| sentinel_url(shared));
        let number = PREFIXES.fetch_add(1, Ordering::Relaxed);
        Self::SharedSentinel {
            prefix: format!("test-{number}"),
        }
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Single(server) => with_user(&server.url()),
            Self::Cluster(cluster) => with_user(&cluster_url(cluster)),
            Self::SharedSentinel { .. } => SENTINEL_URL.get().unwrap().clone(),
        }
    }

    async fn store(&self) -> Arc<RedisStore> {
        let mut settings = store_settings(&self.url());
        settings.redis.prefix = match self {
            Self::SharedSentinel { prefix } => prefix.clone(),
            Self::Single(_) | Self::Cluster(_) => PREFIX.to_owned(),
        };
        Arc::new(connect(settings).await)
    }
}

/// The rules of the user of the documentation, in `ACL SETUSER` after its name.
pub(crate) fn documented_user() -> Vec<&'static str> {
    let operations = include_str!("../../../../../docs/OPERATIONS.md");
    let mut lines = operations.lines();
    let rules = lines.find_map(|line| line.strip_prefix("user posthorn "));
    rules.unwrap().split(' ').collect()
}

/// Makes the user `posthorn` on `server`.
pub(crate) async fn set_user(server: &RedisServer, rules: &[&str]) {
    let command = [&["ACL", "SETUSER", "posthorn", "reset"], rules].concat();
    server.command(&command).await.unwrap();
}

/// The URL with the credentials of the user of the documentation.
pub(crate) fn with_user(url: &str) -> String {
    url.replace("://", "://posthorn:PASSWORD@")
}

pub(crate) fn cluster_url(cluster: &RedisCluster) -> String {
    let hosts: Vec<_> = cluster.nodes().iter().map(RedisServer::address).collect();
    format!("redis+cluster://{}", hosts.join(","))
}

pub(crate) fn sentinel_url(sentinel: &RedisSentinel) -> String {
    let urls = sentinel.sentinel_urls();
    let hosts: Vec<_> = urls
        .iter()
        .map(|url| url.trim_start_matches("redis://"))
        .collect();
    format!(
        "redis+sentinel://{}/{}",
        hosts.join(","),
        RedisSentinel::MASTER_NAME
    )
}

pub(crate) fn pool(url: &str) -> RedisPool {
    RedisPool::new(&RedisSettings::new(SecretString::from(url))).unwrap()
}

/// As [`pool`], with more time than a busy machine needs.
fn patient_pool(url: &str) -> RedisPool {
    let mut settings = RedisSettings::new(SecretString::from(url));
    let patience = Duration::from_secs(10);
    (settings.connect_timeout, settings.checkout_timeout) = (patience, patience);
    settings.command_timeout = patience;
    RedisPool::new(&settings).unwrap()
}

/// Settings for servers without persistence.
pub(crate) fn store_settings(url: &str) -> RedisStoreSettings {
    let mut settings = RedisStoreSettings::new(SecretString::from(url));
    settings.durability = Durability::Memory;
    settings
}

/// Connects once the servers are ready for it, as Posthorn does at its start: on a busy machine a connection
/// can take longer than its time limit. The store that connected is kept: the link of a replica may go down
/// once more after it was first up.
pub(crate) async fn connect(settings: RedisStoreSettings) -> RedisStore {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        match RedisStore::connect(settings.clone()).await {
            Ok(store) => return store,
            Err(error) => assert!(Instant::now() < end, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) async fn store(url: &str) -> Arc<RedisStore> {
    Arc::new(connect(store_settings(url)).await)
}

pub(crate) struct StoreOn {
    servers: Servers,
    store: Arc<RedisStore>,
}

impl StoreOn {
    pub(crate) async fn server() -> Self {
        Self::on(Servers::server().await).await
    }

    pub(crate) async fn cluster() -> Self {
        Self::on(Servers::cluster().await).await
    }

    pub(crate) async fn shared_sentinel() -> Self {
        Self::on(Servers::shared_sentinel().await).await
    }

    async fn on(servers: Servers) -> Self {
        let store = servers.store().await;
        Self { servers, store }
    }
}

#[async_trait]
impl StoreHarness for StoreOn {
    fn store(&self) -> Arc<dyn MessageStore> {
        Arc::clone(&self.store) as Arc<dyn MessageStore>
    }

    async fn other_process(&self) -> Arc<dyn MessageStore> {
        self.servers.store().await
    }

    /// The process does not notice it.
    async fn lose(&mut self) -> bool {
        let nodes: Vec<&RedisServer> = match &self.servers {
            Servers::Single(server) => vec![&**server],
            Servers::Cluster(cluster) => cluster.nodes().iter().collect(),
            Servers::SharedSentinel { .. } => return false,
        };
        for node in nodes {
            // A replica rejects it.
            let _ = node.command(&["FLUSHALL"]).await;
        }
        true
    }

    async fn reopen(&mut self) -> bool {
        self.store.close().await;
        self.store = self.servers.store().await;
        true
    }
}

#[async_trait]
impl ConsumerHarness for StoreOn {
    fn consumers(&self) -> Arc<dyn ConsumerStore> {
        Arc::clone(&self.store) as Arc<dyn ConsumerStore>
    }

    async fn other_consumers(&self) -> Arc<dyn ConsumerStore> {
        self.servers.store().await
    }
}

#[async_trait]
impl WebhookHarness for StoreOn {
    fn webhooks(&self) -> Arc<dyn WebhookStore> {
        Arc::clone(&self.store) as Arc<dyn WebhookStore>
    }

    async fn other_webhooks(&self) -> Arc<dyn WebhookStore> {
        store(&self.servers.url()).await
    }
}

pub(crate) struct CacheOn {
    servers: Servers,
    cache: Arc<RedisCache<Vec<u8>>>,
}

impl CacheOn {
    pub(crate) async fn server() -> Self {
        Self::on(Servers::server().await)
    }

    pub(crate) async fn cluster() -> Self {
        Self::on(Servers::cluster().await)
    }

    fn on(servers: Servers) -> Self {
        let cache = Arc::new(RedisCache::new(patient_pool(&servers.url())));
        Self { servers, cache }
    }
}

#[async_trait]
impl CacheHarness for CacheOn {
    fn cache(&self) -> Arc<dyn Cache<Vec<u8>>> {
        Arc::clone(&self.cache) as Arc<dyn Cache<Vec<u8>>>
    }

    async fn other_process(&self) -> Arc<dyn Cache<Vec<u8>>> {
        Arc::new(RedisCache::new(patient_pool(&self.servers.url())))
    }
}

pub(crate) struct QuotasOn {
    servers: Servers,
    quotas: Arc<RedisQuotaCounter>,
}

impl QuotasOn {
    pub(crate) async fn server() -> Self {
        Self::on(Servers::server().await)
    }

    pub(crate) async fn cluster() -> Self {
        Self::on(Servers::cluster().await)
    }

    fn on(servers: Servers) -> Self {
        let quotas = Arc::new(RedisQuotaCounter::new(patient_pool(&servers.url())));
        Self { servers, quotas }
    }
}

#[async_trait]
impl QuotaHarness for QuotasOn {
    fn counter(&self) -> Arc<dyn QuotaCounter> {
        Arc::clone(&self.quotas) as Arc<dyn QuotaCounter>
    }

    async fn other_process(&self) -> Arc<dyn QuotaCounter> {
        Arc::new(RedisQuotaCounter::new(patient_pool(&self.servers.url())))
    }
}

pub(crate) struct RevocationsOn {
    servers: Servers,
    clock: Arc<FakeClock>,
    list: Arc<RedisRevocationList>,
}

impl RevocationsOn {
    pub(crate) async fn server() -> Self {
        Self::on(Servers::server().await).await
    }

    pub(crate) async fn cluster() -> Self {
        Self::on(Servers::cluster().await).await
    }

    async fn on(servers: Servers) -> Self {
        let clock = Arc::new(FakeClock::new());
        let list = revocations(&servers, &clock).await;
        Self {
            servers,
            clock,
            list,
        }
    }
}

async fn revocations(servers: &Servers, clock: &Arc<FakeClock>) -> Arc<RedisRevocationList> {
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    Arc::new(RedisRevocationList::new(servers.store().await, clock))
}

#[async_trait]
impl RevocationListHarness for RevocationsOn {
    fn revocation_list(&self) -> Arc<dyn RevocationList> {
        Arc::clone(&self.list) as Arc<dyn RevocationList>
    }

    fn clock(&self) -> &FakeClock {
        &self.clock
    }

    async fn other_process(&self) -> Arc<dyn RevocationList> {
        revocations(&self.servers, &self.clock).await
    }

    async fn reopen(&mut self) -> bool {
        self.list = revocations(&self.servers, &self.clock).await;
        true
    }

    fn unit(&self) -> Duration {
        Duration::from_secs(1)
    }

    /// The clock of the server ends revocations.
    async fn pass(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
        self.clock.advance(duration);
    }
}

/// How long a test waits for what comes in a moment, unless the machine is busy.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// The time that a busy machine may add to a time limit.
pub(crate) const SLACK: Duration = Duration::from_millis(500);
/// A TTL and an age that no test outlasts.
pub(crate) const DAY: Duration = Duration::from_hours(24);

/// The first page.
pub(crate) const ALL: PageRequest = PageRequest {
    anchor: Anchor::Oldest,
    limit: PageLimit::MAX,
};

/// The texts of the first messages.
pub(crate) async fn texts(store: &RedisStore, topic: &Topic) -> Vec<String> {
    let page = store.page(topic, ALL).await.unwrap();
    let text = |message: &Arc<Message>| message.content.as_str().to_owned();
    page.messages.iter().map(text).collect()
}
