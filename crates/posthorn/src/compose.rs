//! Builds the application from its settings, and runs it.

pub(crate) mod access;
mod announcement;
mod consumers;
mod dependencies;
mod error;
mod http_metrics;
mod listeners;
mod quotas;
pub(crate) mod store;
mod webhooks;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    AppIdentity, Clock, ConsumerService, HealthService, InfoService, Lifecycle, MessageService,
    MessageStore, Phase, RetentionService, RetentionSettings, WebhookDispatcher,
};
use posthorn_config::Settings;
use posthorn_http::{BoundServer, Services, Shed};
use posthorn_redis::RedisPool;
use posthorn_system::SystemClock;
use posthorn_telemetry::{InstrumentedStore, Metrics};
use tokio::sync::watch;

use crate::compose::http_metrics::HttpMetrics;
use crate::compose::webhooks::WebhookStores;
use crate::supervisor::Supervisor;

pub use error::{RunError, StartError};

/// The interval between two rounds of pruning.
const PRUNE_INTERVAL: Duration = Duration::from_secs(10);
/// The pause between two steps of one round.
const PRUNE_PAUSE: Duration = Duration::from_millis(20);
/// About how many messages one step removes.
const PRUNE_BUDGET: usize = 2_000;
/// The time limit for closing the store, after the last request.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// An application whose listeners are bound. It serves once [`App::run`] is called.
pub struct App {
    http: BoundServer,
    store: Arc<dyn MessageStore>,
    clock: Arc<dyn Clock>,
    lifecycle: Arc<Lifecycle>,
    stop_streams: watch::Sender<bool>,
    consumers: Arc<ConsumerService>,
    pool: Option<RedisPool>,
    webhooks: Arc<WebhookDispatcher>,
    supervisor: Supervisor,
    settings: Settings,
}

impl App {
    /// Checks the dependencies, opens the store and binds the listeners.
    ///
    /// # Errors
    /// The first dependency that is missing, with the setting that names it.
    pub async fn compose(mut settings: Settings) -> Result<Self, StartError> {
        access::keep_development_key(&mut settings)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let lifecycle = Arc::new(Lifecycle::new());
        let identity = AppIdentity {
            name: settings.app.app_name.as_str().into(),
            version: settings.app.app_version.as_str().into(),
            environment: settings.app.environment.as_str().into(),
            instance: settings.app.hostname.as_str().into(),
        };
        let metrics = Metrics::new(&identity, Arc::clone(&clock))
            .with_shed_reasons(Shed::ALL.map(Shed::as_str))
            .with_retention(&settings.store.retention());
        let metrics = Arc::new(metrics);
        let mut supervisor = Supervisor::default();
        let shared = dependencies::connect(&settings, &clock, &metrics, &mut supervisor).await?;
        let redis = shared.pool.as_ref().zip(shared.breaker.as_ref());
        let rate_limiter = settings
            .quotas
            .as_ref()
            .map(|section| quotas::rate_limiter(section, redis, &clock, &metrics));
        let store::OpenedStore {
            messages: store,
            consumers,
            webhooks,
            revocations,
            is_cacheable,
        } = store::open(&settings, &clock).await?;
        let store: Arc<dyn MessageStore> = Arc::new(InstrumentedStore::new(store, &metrics));
        let retention = RetentionService::new(
            Arc::clone(&store),
            Arc::clone(&clock),
            RetentionSettings {
                policy: settings.store.retention(),
                interval: PRUNE_INTERVAL,
                budget: PRUNE_BUDGET,
                pause: PRUNE_PAUSE,
            },
        );
        supervisor.run("retention", async move { retention.run().await });
        let mut messages = MessageService::new(
            Arc::clone(&store),
            Arc::clone(&identity.instance),
            settings.store.idempotency_ttl,
        );
        if is_cacheable {
            // A cache of its own: messages would evict the small entries of the other cache.
            messages = messages.with_cache(dependencies::memory_cache(&clock, &metrics));
        }
        let stores = WebhookStores {
            consumers: Arc::clone(&consumers),
            webhooks,
        };
        let webhooks =
            webhooks::start(&settings, stores, &clock, &metrics, &mut supervisor).await?;
        let consumers = consumers::service(&settings, consumers, &clock, &metrics, &mut supervisor);
        let (stop_streams, streams_stopped) = watch::channel(false);
        let services = Services {
            access: Arc::new(access::control(&settings, revocations, &clock)),
            messages: Arc::new(messages),
            consumers: Arc::clone(&consumers),
            webhooks: webhooks.service,
            webhook_addresses: webhooks.addresses,
            health: Arc::new(HealthService::new(
                dependencies::health_checks(&store, &shared),
                Arc::clone(&lifecycle),
                Arc::clone(&clock),
            )),
            info: Arc::new(InfoService::new(identity, shared.cache, Arc::clone(&clock))),
            rate_limiter: rate_limiter.map(Arc::new),
            lifecycle: Arc::clone(&lifecycle),
            clock: Arc::clone(&clock),
            request_metrics: Arc::new(HttpMetrics(Arc::clone(&metrics))),
            exposition: Arc::new(HttpMetrics(metrics)),
            stop_streams: streams_stopped,
        };
        let http = posthorn_http::bind(listeners::http_settings(&settings)?, services)?;
        Ok(Self {
            http,
            store,
            clock,
            lifecycle,
            stop_streams,
            consumers,
            webhooks: webhooks.dispatcher,
            pool: shared.pool,
            supervisor,
            settings,
        })
    }

    /// The addresses of the listeners.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.http.addresses()
    }

    /// Serves until `stop` completes, then drains and closes everything.
    ///
    /// # Errors
    /// The failure that ended it before `stop`.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Result<(), RunError> {
        let addresses = self.http.addresses().to_vec();
        let mut server = self.http.start();
        self.lifecycle.advance(Phase::Ready);
        announcement::announce(&self.settings, &addresses);
        let outcome = tokio::select! {
            () = stop => Ok(()),
            reason = self.supervisor.failed() => Err(RunError::Background(reason)),
            reason = server.ended() => Err(RunError::Server(reason)),
        };
        let shutdown = self.settings.shutdown;
        self.lifecycle.advance(Phase::Draining);
        tracing::info!(delay = ?shutdown.drain_delay, "draining: not ready, still serving");
        self.clock.sleep(shutdown.drain_delay).await;
        self.lifecycle.advance(Phase::Stopping);
        tracing::info!(timeout = ?shutdown.shutdown_timeout, "stopping: finishing what is in flight");
        self.stop_streams.send_replace(true);
        // A pull that the store executes is not dropped: its response carries the leases that it gets.
        self.consumers.stop_waiting();
        tokio::join!(
            server.stop(),
            self.webhooks.drain(shutdown.shutdown_timeout)
        );
        self.supervisor.stop().await;
        if tokio::time::timeout(CLOSE_TIMEOUT, self.store.close())
            .await
            .is_err()
        {
            tracing::warn!("the store did not close in time");
        }
        if let Some(pool) = &self.pool {
            pool.close();
        }
        tracing::info!("stopped");
        outcome
    }
}
