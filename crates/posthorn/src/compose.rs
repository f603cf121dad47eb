//! Builds the application from its settings, and runs it.

pub(crate) mod access;
mod caches;
mod consumers;
mod context;
mod error;
mod http_metrics;
mod messages;
mod quotas;
mod redis;
pub(crate) mod store;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    Cache, CacheDependency, ConsumerService, HealthCheck, HealthService, InfoService, Lifecycle,
    MessageStore, Phase, StoreDependency, WebhookDispatcher,
};
use posthorn_config::Settings;
use posthorn_domain::Timestamp;
use posthorn_http::{BindError, BoundServer, HttpSettings, Services, resolve};
use posthorn_telemetry::InstrumentedStore;
use tokio::sync::watch;
use tokio::time::timeout;

use context::Context;
use error::AppError;
use http_metrics::HttpMetrics;
use redis::SharedRedis;

/// The time limit for closing the store, after the last request.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the leases of clients that are gone are given back.
const RETURN_TIMEOUT: Duration = Duration::from_secs(2);

/// The time limit for writes that run on the threads of requests, before these stop.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// An application whose listeners are bound. It serves once [`App::run`] is called.
pub(crate) struct App {
    context: Context,
    redis: Option<SharedRedis>,
    store: Arc<dyn MessageStore>,
    consumers: Arc<ConsumerService>,
    webhooks: Arc<WebhookDispatcher>,
    lifecycle: Arc<Lifecycle>,
    health: Arc<HealthService>,
    stop_streams: watch::Sender<bool>,
    http: BoundServer,
}

impl App {
    /// Checks the dependencies, opens the store and binds the listeners.
    ///
    /// # Errors
    /// The first dependency that is missing, with the setting that names it.
    pub(crate) async fn compose(mut settings: Settings) -> Result<Self, AppError> {
        let kept = &mut settings.secret;
        kept.keep_development_key(&settings.store.store_url)
            .map_err(|(path, e)| AppError::unusable("SECRET_KEY", path.display(), e))?;
        let mut context = Context::new(settings);
        let redis = redis::connect(&mut context).await?;
        let patience = context.settings.redis.redis_start_timeout;
        let opened = store::open(&context.settings, &context.clock, patience).await?;
        let store = InstrumentedStore::new(opened.messages, &context.metrics);
        let store: Arc<dyn MessageStore> = Arc::new(store);
        let messages = messages::service(&mut context, &store, opened.is_cacheable);
        let deliveries = Arc::clone(&opened.consumers);
        let webhooks = webhooks::start(&mut context, deliveries, opened.webhooks).await?;
        let consumers = consumers::service(&mut context, opened.consumers);
        let cache = caches::shared(&context, redis.as_ref());
        let lifecycle = Arc::new(Lifecycle::new());
        let (stop_streams, streams_stopped) = watch::channel(false);
        let clock = || Arc::clone(&context.clock);
        let metrics = Arc::new(HttpMetrics(Arc::clone(&context.metrics)));
        let checks = health_checks(redis.as_ref(), &cache, &store);
        let health = HealthService::new(checks, Arc::clone(&lifecycle), clock());
        let health = Arc::new(health);
        let info = InfoService::new(context.settings.app.identity(), cache, clock());
        let services = Services {
            access: access::control(&context, opened.revocations),
            messages: Arc::new(messages),
            consumers: Arc::clone(&consumers),
            webhooks: webhooks.service,
            webhook_addresses: webhooks.addresses,
            info: Arc::new(info),
            rate_limiter: quotas::rate_limiter(&context, redis.as_ref()),
            health: Arc::clone(&health),
            lifecycle: Arc::clone(&lifecycle),
            clock: clock(),
            request_metrics: Arc::clone(&metrics) as _,
            exposition: metrics,
            exports_spans: context.settings.traces.is_some(),
            stop_streams: streams_stopped,
        };
        let failed = |error| AppError::Listen(context.settings.listen.names(), error);
        let settings = http_settings(&context.settings).map_err(failed)?;
        let http = posthorn_http::bind(settings, services).map_err(failed)?;
        Ok(Self {
            context,
            redis,
            store,
            consumers,
            webhooks: webhooks.dispatcher,
            lifecycle,
            health,
            stop_streams,
            http,
        })
    }

    /// Serves until `stop` completes, then drains and closes everything.
    ///
    /// # Errors
    /// The failure that ended it before `stop`.
    pub(crate) async fn run(self, stop: impl Future<Output = ()>) -> Result<(), AppError> {
        let Context {
            settings,
            clock,
            mut supervisor,
            ..
        } = self.context;
        let url = self.http.local_url().unwrap_or_default();
        let addresses = self.http.addresses().to_vec();
        let mut server = self.http.start();
        let usage = self.store.usage().await.ok();
        let store = usage.and_then(|usage| usage.identity);
        self.lifecycle.advance(Phase::Ready);
        let ready = self.health.check_readiness().await;
        let state = ready.map_or("serving, but not ready", |()| "ready");
        tracing::info!(
            url,
            docs = format!("{url}docs/"),
            environment = settings.app.environment.as_str(),
            version = settings.app.app_version,
            ?addresses,
            store = store.map(tracing::field::display),
            "{state}: open {url}"
        );
        let health = self.health;
        supervisor.run("readiness", async move { health.watch_readiness().await });
        settings.log_warnings();
        let outcome = tokio::select! {
            () = stop => Ok(()),
            reason = supervisor.failed() => Err(AppError::Background(reason)),
            reason = server.ended() => Err(AppError::Server(reason)),
        };
        let shutdown = settings.shutdown;
        self.lifecycle.advance(Phase::Draining);
        tracing::info!(delay = ?shutdown.drain_delay, "draining: not ready, still serving");
        clock.sleep(shutdown.drain_delay).await;
        self.lifecycle.advance(Phase::Stopping);
        tracing::info!(timeout = ?shutdown.shutdown_timeout, "stopping: finishing what is in flight");
        self.stop_streams.send_replace(true);
        // A pull that the store executes is not dropped: its response carries the leases that it gets.
        self.consumers.stop_waiting();
        let deliveries = self.webhooks.drain(shutdown.shutdown_timeout);
        let stop = async {
            let leave = self.store.leave_request_threads();
            if timeout(LEAVE_TIMEOUT, leave).await.is_err() {
                tracing::warn!("the store has writes under way while the threads of requests end");
            }
            server.stop().await;
        };
        tokio::join!(stop, deliveries);
        // Clients that went away as the server stopped.
        let _ = timeout(RETURN_TIMEOUT, self.consumers.all_returned()).await;
        supervisor.stop().await;
        if timeout(CLOSE_TIMEOUT, self.store.close()).await.is_err() {
            tracing::warn!("the store did not close in time");
        }
        if let Some(redis) = &self.redis {
            redis.pool.close();
        }
        tracing::info!("stopped");
        outcome
    }
}

/// The settings of the HTTP server, with the addresses of its listeners.
fn http_settings(settings: &Settings) -> Result<HttpSettings, BindError> {
    let (listen, http) = (&settings.listen, settings.http.clone());
    let metrics_port = listen.separate_metrics_port();
    let metrics_addresses = metrics_port.map(|port| resolve(&listen.host, port));
    Ok(HttpSettings {
        metrics_addresses: metrics_addresses.transpose()?.unwrap_or_default(),
        addresses: resolve(&listen.host, listen.port)?,
        is_production: settings.app.environment.is_production(),
        max_connections: posthorn_system::limit_connections(http.max_connections),
        shutdown_timeout: settings.shutdown.shutdown_timeout,
        ..http
    })
}

/// The dependencies in the health report, under their names on the wire.
fn health_checks(
    redis: Option<&SharedRedis>,
    cache: &Arc<dyn Cache<Timestamp>>,
    store: &Arc<dyn MessageStore>,
) -> Vec<HealthCheck> {
    let cache = Arc::new(CacheDependency(Arc::clone(cache)));
    let store = Arc::new(StoreDependency(Arc::clone(store)));
    let redis = redis.map(|redis| Arc::clone(&redis.breaker) as _);
    let redis = redis.map(|breaker| HealthCheck::new("redis", false, breaker));
    let cache = HealthCheck::new("cache", false, cache);
    let store = HealthCheck::new("store", true, store);
    redis.into_iter().chain([cache, store]).collect()
}
