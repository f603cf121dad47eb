//! The state of the server: services, settings and limits, shared by all workers.

pub(crate) mod client_shares;
pub(crate) mod concurrency_limit;
pub(crate) mod message_frame;
pub(crate) mod metrics;

use std::sync::Arc;

use posthorn_application::{
    AccessControl, Clock, ConsumerService, HealthService, InfoService, Lifecycle, MessageService,
    RateLimiter, TopicTails, WebhookService,
};
use posthorn_domain::{AddressPolicy, Timestamp};
use tokio::sync::{Semaphore, watch};

use self::client_shares::ClientShares;
use self::concurrency_limit::ConcurrencyLimit;
use self::message_frame::MessageFrame;
use self::metrics::{MetricsExposition, RequestMetrics};
use crate::settings::HttpSettings;

/// The most pages that are read at once, of up to a megabyte each; further ones wait for a permit.
const MAX_CONCURRENT_PAGES: usize = 32;

/// The use cases and ports behind the routes.
#[derive(Clone)]
pub struct Services {
    /// Verifies tokens and decides on access.
    pub access: Arc<AccessControl>,
    /// Accepts, reads and deletes messages.
    pub messages: Arc<MessageService>,
    /// Consumers: leases, acknowledgements, dead letters.
    pub consumers: Arc<ConsumerService>,
    /// Webhooks: settings, secrets, attempts, replays.
    pub webhooks: Arc<WebhookService>,
    /// The addresses that the URLs of webhooks may have.
    pub webhook_addresses: AddressPolicy,
    /// Service information.
    pub info: Arc<InfoService>,
    /// Counts requests against the quotas of clients; `None` without quotas.
    pub rate_limiter: Option<Arc<RateLimiter>>,
    /// Component health, readiness and liveness.
    pub health: Arc<HealthService>,
    /// The phase of the process: starting, ready, draining, stopping.
    pub lifecycle: Arc<Lifecycle>,
    /// Wall clock, monotonic clock and timers.
    pub clock: Arc<dyn Clock>,
    /// Counts requests for the metrics.
    pub request_metrics: Arc<dyn RequestMetrics>,
    /// Renders the metrics page.
    pub exposition: Arc<dyn MetricsExposition>,
    /// True if the spans of requests are exported.
    pub exports_spans: bool,
    /// Becomes `true` when streams have to end.
    pub stop_streams: watch::Receiver<bool>,
}

/// The services, the settings and the limits across workers. Each worker has a clone.
#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) services: Services,
    pub(crate) settings: Arc<HttpSettings>,
    /// The newest messages of followed topics, as frames of streams.
    pub(crate) tails: Arc<TopicTails<MessageFrame>>,
    /// Open connections by client.
    pub(crate) client_connections: ClientShares,
    /// Requests in flight; probes do not count.
    pub(crate) in_flight: ConcurrencyLimit,
    /// Bytes of incomplete bodies.
    pub(crate) incomplete_body_bytes: ConcurrencyLimit,
    /// Bytes of incomplete bodies by client.
    pub(crate) client_body_bytes: ClientShares,
    /// Bytes of complete batches.
    pub(crate) batch_bytes: ConcurrencyLimit,
    /// Permits to read a page: each page holds its messages and their JSON.
    pub(crate) page_permits: Arc<Semaphore>,
    /// Bytes of responses that clients have not read.
    pub(crate) response_bytes: ConcurrencyLimit,
    /// Open streams.
    pub(crate) streams: ConcurrencyLimit,
    /// The time at which the server was bound.
    pub(crate) started_at: Timestamp,
}

impl AppState {
    pub(crate) fn new(
        settings: HttpSettings,
        services: Services,
        tails: Arc<TopicTails<MessageFrame>>,
    ) -> Self {
        let started_at = services.clock.now();
        Self {
            services,
            tails,
            settings: Arc::new(settings),
            client_connections: ClientShares::default(),
            in_flight: ConcurrencyLimit::default(),
            incomplete_body_bytes: ConcurrencyLimit::default(),
            client_body_bytes: ClientShares::default(),
            batch_bytes: ConcurrencyLimit::default(),
            page_permits: Arc::new(Semaphore::new(MAX_CONCURRENT_PAGES)),
            response_bytes: ConcurrencyLimit::default(),
            streams: ConcurrencyLimit::default(),
            started_at,
        }
    }
}
