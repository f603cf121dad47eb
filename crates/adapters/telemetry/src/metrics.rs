//! All metrics of the process, and the ports through which other crates record them.

mod classic;
mod consumers;
mod durations;
mod labels;
mod messages;
mod process;
mod requests;
mod scraped;
mod webhooks;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use posthorn_application::{
    AppIdentity, AttemptOutcome, Clock, DependencyObserver, RetentionPolicy, WebhookObserver,
};
use posthorn_domain::DisableReason;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use classic::classic_text;
pub(crate) use consumers::{ConsumerGauges, ConsumerTotals, SettledCounters};
pub(crate) use durations::Durations;
use durations::register_durations;
pub(crate) use labels::{CacheLabels, QuotaLabels, StoreErrorLabels, StoreLabels};
use labels::{DependencyLabels, InfoLabels, ReasonLabels};
pub(crate) use messages::MessageCounters;
use process::ProcessCollector;
use requests::RequestSeries;
use scraped::{DroppedLinesCollector, PoolCollector, UptimeCollector};
pub use scraped::{PoolCounts, PoolSource};
use webhooks::WebhookSeries;

/// The registry of metrics, shared in an `Arc`. Recording holds no lock for long.
pub struct Metrics {
    registry: Registry,
    clock: Arc<dyn Clock>,
    requests: RequestSeries,
    messages: MessageCounters,
    consumers: ConsumerGauges,
    settled: SettledCounters,
    webhooks: WebhookSeries,
    store: Durations<StoreLabels>,
    store_errors: Family<StoreErrorLabels, Counter>,
    cache: Family<CacheLabels, Counter>,
    quotas: Family<QuotaLabels, Counter>,
    auth_failures: Family<ReasonLabels, Counter>,
    dependencies: Family<DependencyLabels, Gauge>,
    pools: PoolCollector,
    /// The length of the last exposition, so that the next one needs one allocation.
    last_length: AtomicUsize,
}

impl Metrics {
    /// The metrics of the process `identity`. The uptime starts now.
    pub fn new(identity: &AppIdentity, clock: Arc<dyn Clock>) -> Self {
        let mut registry = Registry::default();
        let info = Info::new(InfoLabels::from(identity));
        registry.register(
            "app",
            "Name, version, environment and instance of the application",
            info,
        );
        let uptime = UptimeCollector::starting(Arc::clone(&clock));
        registry.register_collector(Box::new(uptime));
        let requests = RequestSeries::register(&mut registry);
        let messages = MessageCounters::register(&mut registry);
        let consumers = ConsumerGauges::register(&mut registry, Arc::clone(&clock));
        let settled = SettledCounters::register(&mut registry);
        let webhooks = WebhookSeries::register(&mut registry);
        let store = register_durations(
            &mut registry,
            "app_store_operation_duration",
            "Time of an operation of the store",
        );
        let store_errors = Family::default();
        let help = "Operations of the store that it could not do, by outcome";
        registry.register("app_store_errors", help, store_errors.clone());
        let cache = Family::default();
        registry.register("app_cache_requests", "Operations of caches", cache.clone());
        let quotas = Family::default();
        let help = "Decisions on quotas, by the class of requests";
        registry.register("app_rate_limit_decisions", help, quotas.clone());
        let auth_failures = Family::default();
        let help = "Requests that were rejected because of their token, by reason";
        registry.register("app_auth_failures", help, auth_failures.clone());
        let dependencies = Family::default();
        let help = "1 if the dependency is reachable, else 0";
        registry.register("app_dependency_up", help, dependencies.clone());
        let pools = PoolCollector::default();
        registry.register_collector(Box::new(pools.clone()));
        registry.register_collector(Box::new(DroppedLinesCollector));
        registry.register_collector(Box::new(ProcessCollector::new()));
        Self {
            registry,
            clock,
            requests,
            messages,
            consumers,
            settled,
            webhooks,
            store,
            store_errors,
            cache,
            quotas,
            auth_failures,
            dependencies,
            pools,
            last_length: AtomicUsize::new(0),
        }
    }

    /// Shows each of `reasons` of shed requests at 0 from the start, so that the first one counts as
    /// an increase.
    #[must_use]
    pub fn with_shed_reasons(self, reasons: impl IntoIterator<Item = &'static str>) -> Self {
        self.requests.add_shed_reasons(reasons);
        self
    }

    /// Shows the limits of `retention`, which alerts compare with the consumers' oldest messages.
    #[must_use]
    pub fn with_retention(mut self, retention: &RetentionPolicy) -> Self {
        let age = ConstGauge::new(retention.max_age.as_secs_f64());
        let help = "The age at which retention removes messages";
        let unit = Unit::Seconds;
        self.registry
            .register_with_unit("app_retention_age", help, unit, age);
        let messages = ConstGauge::new(retention.max_count);
        let help = "The most messages of a topic, above which retention removes the oldest";
        self.registry
            .register("app_retention_messages", help, messages);
        self
    }

    /// Shows each of `reasons` of refused access at 0 from the start, so that the first one counts as
    /// an increase.
    #[must_use]
    pub fn with_refusals(self, reasons: impl IntoIterator<Item = &'static str>) -> Self {
        for reason in reasons {
            let _ = self.auth_failures.get_or_create(&ReasonLabels { reason });
        }
        self
    }

    /// Shows each of `codes` of rejected messages at 0 from the start, so that the first one counts as an
    /// increase.
    #[must_use]
    pub fn with_rejections(self, codes: impl IntoIterator<Item = &'static str>) -> Self {
        self.messages.add_rejections(codes);
        self
    }

    /// Shows the limits on connections, streams and requests in flight, which alerts compare with those
    /// that are open.
    #[must_use]
    pub fn with_limits(mut self, connections: u64, streams: u64, in_flight: u64) -> Self {
        for (name, help, limit) in [
            (
                "app_connections_limit",
                "The most open connections",
                connections,
            ),
            (
                "app_streams_limit",
                "The most open streams and waiting pulls",
                streams,
            ),
            (
                "app_requests_in_flight_limit",
                "The most requests in flight",
                in_flight,
            ),
        ] {
            self.registry.register(name, help, ConstGauge::new(limit));
        }
        self
    }

    /// Shows the limits on the topics and the bytes of the store, which alerts compare with their use; `None` for no
    /// limit.
    #[must_use]
    pub fn with_store_limits(mut self, topics: u64, bytes: Option<u64>) -> Self {
        let help = "The most topics of the store";
        let gauge = ConstGauge::new(topics);
        self.registry
            .register("app_store_topics_limit", help, gauge);
        if let Some(bytes) = bytes {
            let help = "The most bytes of the store";
            let gauge = ConstGauge::new(bytes);
            self.registry.register("app_store_bytes_limit", help, gauge);
        }
        self
    }

    /// Asks `source` at each exposition how many connections a pool has. The counts of all pools
    /// are added up. `source` must not block.
    pub fn register_pool(&self, source: PoolSource) {
        self.pools.add(source);
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(crate) fn messages(&self) -> &MessageCounters {
        &self.messages
    }

    pub(crate) fn consumers(&self) -> &ConsumerGauges {
        &self.consumers
    }

    pub(crate) fn settled(&self) -> &SettledCounters {
        &self.settled
    }

    pub(crate) fn store_durations(&self) -> &Durations<StoreLabels> {
        &self.store
    }

    /// The counter of the operations that a store could not do with `outcome`.
    pub(crate) fn store_errors(&self, outcome: &'static str) -> Counter {
        let labels = StoreErrorLabels { outcome };
        self.store_errors.get_or_create_owned(&labels)
    }

    pub(crate) fn quota_decisions(&self) -> &Family<QuotaLabels, Counter> {
        &self.quotas
    }

    pub(crate) fn cache_requests(&self) -> &Family<CacheLabels, Counter> {
        &self.cache
    }
}

/// What the delivery layer counts. Every label has a bounded set of values.
impl Metrics {
    /// The handling of a request started.
    pub fn request_started(&self) {
        self.requests.started();
    }

    /// The handling of a request ended with a response: its method, the template of its route, its
    /// status, and the time until its response was ready.
    pub fn request_finished(
        &self,
        method: &'static str,
        endpoint: &'static str,
        status: u16,
        latency: Duration,
    ) {
        self.requests.finished(method, endpoint, status, latency);
    }

    /// The handling of a request ended without a response: its client disconnected.
    pub fn request_abandoned(&self) {
        self.requests.abandoned();
    }

    /// A message was rejected; `code` is the stable code of the error.
    pub fn message_rejected(&self, code: &'static str) {
        self.messages.rejected(code);
    }

    /// A form whose trap for programs is filled was accepted and not stored.
    pub fn message_trapped(&self) {
        self.messages.trapped();
    }

    /// Access was refused; `reason` is from a fixed set.
    pub fn access_refused(&self, reason: &'static str) {
        let labels = ReasonLabels { reason };
        self.auth_failures.get_or_create(&labels).inc();
    }

    /// A stream was opened (`true`) or ended (`false`).
    pub fn stream_changed(&self, opened: bool) {
        self.requests.stream_changed(opened);
    }

    /// A request began to wait for its body or for a message (`true`), so it is not in flight, or ended its wait
    /// (`false`).
    pub fn request_waiting(&self, waits: bool) {
        self.requests.request_waiting(waits);
    }

    /// A connection was accepted (`true`) or closed (`false`).
    pub fn connection_changed(&self, opened: bool) {
        self.requests.connection_changed(opened);
    }

    /// A request was rejected or abandoned to protect the server.
    pub fn request_shed(&self, reason: &'static str) {
        self.requests.shed(reason);
    }

    /// Every metric as OpenMetrics text.
    ///
    /// # Errors
    /// A text for the log.
    pub fn render(&self) -> Result<String, String> {
        let mut text = String::with_capacity(self.last_length.load(Ordering::Relaxed) + 512);
        text::encode(&mut text, &self.registry)
            .map_err(|_| "a metric could not be written as text".to_owned())?;
        self.last_length.store(text.len(), Ordering::Relaxed);
        Ok(text)
    }

    /// Every metric in the text format 0.0.4 of Prometheus.
    ///
    /// # Errors
    /// As [`Metrics::render`].
    pub fn render_classic(&self) -> Result<String, String> {
        self.render().map(|text| classic_text(&text))
    }
}

impl DependencyObserver for Metrics {
    fn dependency_changed(&self, name: &'static str, up: bool) {
        self.dependencies
            .get_or_create(&DependencyLabels { dependency: name })
            .set(i64::from(up));
    }
}

impl WebhookObserver for Metrics {
    fn attempted(&self, outcome: AttemptOutcome, duration: Duration) {
        self.webhooks.observe(outcome, duration);
    }

    fn disabled(&self, reason: DisableReason) {
        self.webhooks.disabled(reason).inc();
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
