//! A server on a free port, whose dependencies the test controls.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    AccessControl, AccessPolicy, AppIdentity, BackendError, CacheDependency, ConsumerService,
    FailureLimit, HealthCheck, HealthService, InfoService, Lifecycle, MessageService, MessageStore,
    Phase, RetentionPolicy, StoreDependency, WebhookService, WebhookServicePorts,
};
use posthorn_domain::{AddressPolicy, QuotaLimits, QuotaRule, QuotaStrategy, Timestamp};
use posthorn_http::{HttpSettings, RunningServer, Services, WebhookPayload, bind};
use posthorn_testkit::{
    FakeCache, FakeClock, FakeConsumerStore, FakeQuotaCounter, FakeRandom, FakeRevocationList,
    FakeStore, FakeTokens, samples,
};
use tokio::sync::watch;

use super::client::{Connection, Response};
use super::quotas::Quotas;
use super::recorder::Recorder;
use super::store::{Behaviour, TestStore};
use super::webhooks::{NoSender, NoVault, NoWebhooks};

/// The limit on invalid tokens of one client: more than any test but one sends.
const FAILURES: &str = "300 per minute";
const JSON: (&str, &str) = ("Content-Type", "application/json");

pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) metrics_address: Option<SocketAddr>,
    pub(crate) running: RunningServer,
    parts: Parts,
}

/// The dependencies of a server.
pub(crate) struct Parts {
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) store: Arc<FakeStore>,
    pub(crate) hooks: Arc<TestStore>,
    pub(crate) cache: Arc<FakeCache<Timestamp>>,
    /// Only `idle` exists, and has no messages.
    pub(crate) consumers: Arc<FakeConsumerStore>,
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) quotas: Arc<FakeQuotaCounter>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) tokens: Arc<FakeTokens>,
    pub(crate) revocations: Arc<FakeRevocationList>,
    policy: AccessPolicy,
    pub(crate) stop_streams: watch::Sender<bool>,
}

impl TestServer {
    /// A server with default settings.
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    /// A server with changed settings.
    pub(crate) fn with(change: impl FnOnce(&mut HttpSettings)) -> Self {
        Self::with_access(AccessPolicy::OPEN, change)
    }

    /// A server that requires tokens.
    pub(crate) fn with_access(
        policy: AccessPolicy,
        change: impl FnOnce(&mut HttpSettings),
    ) -> Self {
        let (services, parts) = Parts::new(policy);
        Self::bound(settings(change), services, parts)
    }

    /// A server with quotas.
    pub(crate) fn with_quotas(quotas: Quotas, change: impl FnOnce(&mut HttpSettings)) -> Self {
        Self::with_access_and_quotas(AccessPolicy::OPEN, quotas, change)
    }

    /// A server with tokens and quotas.
    pub(crate) fn with_access_and_quotas(
        policy: AccessPolicy,
        quotas: Quotas,
        change: impl FnOnce(&mut HttpSettings),
    ) -> Self {
        let (mut services, parts) = Parts::new(policy);
        services.rate_limiter = Some(Arc::new(quotas.rate_limiter(Arc::clone(&parts.quotas))));
        Self::bound(settings(change), services, parts)
    }

    fn bound(settings: HttpSettings, services: Services, parts: Parts) -> Self {
        let bound = bind(settings, services).unwrap();
        Self {
            address: bound.addresses()[0],
            metrics_address: bound.metrics_addresses().first().copied(),
            running: bound.start(),
            parts,
        }
    }

    /// The error of binding a server with changed settings.
    pub(crate) fn bind_error(change: impl FnOnce(&mut HttpSettings)) -> String {
        let (services, _parts) = Parts::new(AccessPolicy::OPEN);
        match bind(settings(change), services) {
            Ok(bound) => panic!("it is bound to {:?}", bound.addresses()),
            Err(error) => error.to_string(),
        }
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::open(self.address).await
    }

    pub(crate) async fn connect_unread(&self) -> Connection {
        Connection::open_unread(self.address).await
    }

    /// One request on a connection of its own.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Response {
        let mut connection = self.connect().await;
        connection
            .request(method, path, headers, body.as_ref())
            .await;
        connection.response(method).await
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.call("GET", path, &[], "").await
    }

    /// A post of JSON.
    pub(crate) async fn post(&self, path: &str, json: impl AsRef<[u8]>) -> Response {
        self.call("POST", path, &[JSON], json).await
    }

    /// Stores a message and returns its id.
    pub(crate) async fn accept(&self, topic: &str, text: &str) -> String {
        let body = serde_json::json!({ "message": text }).to_string();
        let path = format!("/api/v1/topics/{topic}/messages");
        let response = self.post(&path, body).await;
        assert_eq!(response.status, 201, "{response:?}");
        response.json()["id"].as_str().unwrap().to_owned()
    }

    /// Stops gracefully; the dependencies stay.
    pub(crate) fn into_parts(self) -> (RunningServer, Parts) {
        (self.running, self.parts)
    }
}

impl Deref for TestServer {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl Parts {
    fn new(policy: AccessPolicy) -> (Services, Self) {
        let clock = Arc::new(FakeClock::new());
        let store = Arc::new(FakeStore::new(Arc::clone(&clock)));
        let hooks = Arc::new(TestStore::new(Arc::clone(&store)));
        let cache = Arc::new(FakeCache::new(Arc::clone(&clock)));
        let quotas = Arc::new(FakeQuotaCounter::new(Arc::clone(&clock), false));
        let recorder = Arc::new(Recorder::default());
        let lifecycle = Arc::new(Lifecycle::new());
        lifecycle.advance(Phase::Ready);
        let (stop_streams, stopped) = watch::channel(false);
        let revocations = FakeRevocationList::new(Arc::clone(&clock));
        let parts = Self {
            tokens: Arc::new(FakeTokens::default()),
            revocations: Arc::new(revocations),
            policy,
            clock,
            store,
            hooks,
            cache,
            consumers: Arc::new(FakeConsumerStore::with_consumers(&["idle"])),
            lifecycle,
            quotas,
            recorder,
            stop_streams,
        };
        (parts.services(stopped), parts)
    }

    fn services(&self, stop_streams: watch::Receiver<bool>) -> Services {
        let clock = || Arc::clone(&self.clock) as _;
        let store = || Arc::clone(&self.hooks) as _;
        let cache = || Arc::clone(&self.cache) as _;
        let (instance, ttl) = (identity().instance, Duration::from_hours(24));
        let cached = Arc::new(CacheDependency(cache()));
        let stored = Arc::new(StoreDependency(store()));
        let checks = vec![
            HealthCheck::new("cache", false, cached),
            HealthCheck::new("store", true, stored),
        ];
        let health = HealthService::new(checks, Arc::clone(&self.lifecycle), clock());
        Services {
            access: Arc::new(self.access()),
            messages: Arc::new(MessageService::new(store(), instance, ttl)),
            consumers: Arc::new(ConsumerService::new(
                Arc::clone(&self.consumers) as _,
                clock(),
                Arc::new(FakeRandom::default()),
            )),
            webhooks: Arc::new(WebhookService::new(
                WebhookServicePorts {
                    consumers: Arc::clone(&self.consumers) as _,
                    webhooks: Arc::new(NoWebhooks),
                    vault: Arc::new(NoVault),
                    sender: Arc::new(NoSender),
                    encoder: Arc::new(WebhookPayload::default()),
                    clock: clock(),
                    random: Arc::new(FakeRandom::default()),
                },
                AddressPolicy::default(),
            )),
            webhook_addresses: AddressPolicy::default(),
            info: Arc::new(InfoService::new(identity(), cache(), clock())),
            rate_limiter: None,
            health: Arc::new(health),
            lifecycle: Arc::clone(&self.lifecycle),
            clock: clock(),
            request_metrics: Arc::clone(&self.recorder) as _,
            exposition: Arc::clone(&self.recorder) as _,
            exports_spans: false,
            stop_streams,
        }
    }

    fn access(&self) -> AccessControl {
        let limits = QuotaLimits::parse(FAILURES).unwrap();
        let rule = QuotaRule::new(limits, QuotaStrategy::FixedWindow).unwrap();
        let counter = Arc::new(FakeQuotaCounter::new(Arc::clone(&self.clock), false));
        AccessControl::new(
            self.policy,
            Arc::clone(&self.tokens) as _,
            Arc::clone(&self.revocations) as _,
            FailureLimit::new(counter, Some(rule)),
            Arc::clone(&self.clock) as _,
        )
    }

    pub(crate) fn store_behaves(&self, behaviour: Behaviour) {
        self.hooks.behave(behaviour);
    }

    /// Makes every quota decision fail.
    pub(crate) fn fail_quotas(&self) {
        let error = BackendError::Failed("as the test wants".to_owned());
        self.quotas.fail_next(usize::MAX, error);
    }

    /// The number of store operations.
    pub(crate) fn store_operations(&self) -> usize {
        self.hooks.asked()
    }

    /// Stores a message without a request.
    pub(crate) async fn store_directly(&self, topic: &str, text: &str) -> String {
        let append = samples::append(&samples::topic(topic), text);
        let appended = self.store.append(append).await.unwrap();
        appended.receipt.id.to_string()
    }

    /// Keeps the newest `count` messages of each topic.
    pub(crate) async fn prune_to(&self, count: u64) {
        let policy = RetentionPolicy {
            max_age: Duration::from_hours(24),
            max_count: count,
        };
        self.store.prune(&policy, usize::MAX).await.unwrap();
    }
}

fn settings(change: impl FnOnce(&mut HttpSettings)) -> HttpSettings {
    let mut settings = HttpSettings {
        addresses: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        shutdown_timeout: Duration::from_secs(5),
        ..HttpSettings::defaults().unwrap()
    };
    change(&mut settings);
    settings
}

fn identity() -> AppIdentity {
    AppIdentity {
        name: "posthorn".into(),
        version: "1.2.3".into(),
        environment: "testing".into(),
        instance: "pod-7".into(),
    }
}
