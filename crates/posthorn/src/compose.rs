//! From settings to a running application.

pub(crate) mod access;
mod dependencies;
mod quotas;
pub(crate) mod store;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    AppIdentity, Clock, HealthService, InfoService, Lifecycle, MessageService, MessageStore, Phase,
    RetentionService, RetentionSettings,
};
use posthorn_http::{Bound, HttpSettings, Services};
use posthorn_redis::RedisPool;
use posthorn_telemetry::{InstrumentedStore, Metrics};
use tokio::sync::watch;

use crate::config::Settings;
use crate::open_files;
use crate::supervisor::Supervisor;
use crate::system_clock::SystemClock;

/// How often retention looks for what to prune.
const PRUNE_INTERVAL: Duration = Duration::from_secs(10);
/// The pause between two steps of one round of pruning.
const PRUNE_PAUSE: Duration = Duration::from_millis(20);
/// About how many messages one step of pruning removes.
const PRUNE_BUDGET: usize = 2_000;
/// The bound on closing the store, once requests are done.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A bound application: its listeners are open, and it serves once [`App::run`] is called.
pub struct App {
    http: Bound,
    store: Arc<dyn MessageStore>,
    clock: Arc<dyn Clock>,
    lifecycle: Arc<Lifecycle>,
    stop_streams: watch::Sender<bool>,
    pool: Option<RedisPool>,
    supervisor: Supervisor,
    settings: Settings,
}

/// Why the application did not start. The texts say what to set; they hold no secret.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A dependency that must be there is not.
    #[error("{setting}: {place} cannot be used: {reason}")]
    Dependency {
        /// The setting that names it.
        setting: &'static str,
        /// Where it was looked for, without its password.
        place: String,
        /// What went wrong.
        reason: String,
    },
    /// The listener cannot be opened.
    #[error("HOST, PORT: cannot listen on {place}: {reason}")]
    Listen {
        /// The address.
        place: String,
        /// What went wrong.
        reason: io::Error,
    },
    /// The listeners cannot be bound.
    #[error("HOST, PORT: {0}")]
    Http(#[from] posthorn_http::BindError),
}

/// Why a running application stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A background task ended.
    #[error("{0}")]
    Background(String),
    /// The server ended.
    #[error("the server ended: {0}")]
    Server(String),
}

impl App {
    /// Checks the dependencies, opens the store and binds the listeners.
    ///
    /// # Errors
    /// The first thing that is missing, with the setting that names it.
    pub async fn compose(settings: Settings) -> Result<Self, StartError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let lifecycle = Arc::new(Lifecycle::new());
        let identity = AppIdentity {
            name: settings.app_name.as_str().into(),
            version: settings.app_version.as_str().into(),
            environment: settings.environment.as_str().into(),
            pod: settings.pod.as_str().into(),
        };
        let metrics = Arc::new(Metrics::new(&identity, Arc::clone(&clock)));
        let mut supervisor = Supervisor::default();
        let shared = dependencies::connect(&settings, &clock, &metrics, &mut supervisor).await?;
        let redis = shared.pool.as_ref().zip(shared.breaker.as_ref());
        let rate_limiter = settings
            .quotas
            .as_ref()
            .map(|section| quotas::rate_limiter(section, redis, &clock, &metrics));
        let store::Opened {
            messages: store,
            revocations,
            is_cacheable,
        } = store::open(&settings, &clock).await?;
        let store: Arc<dyn MessageStore> = Arc::new(InstrumentedStore::new(store, &metrics));
        let retention = RetentionService::new(
            Arc::clone(&store),
            Arc::clone(&clock),
            RetentionSettings {
                policy: settings.store.retention,
                interval: PRUNE_INTERVAL,
                budget: PRUNE_BUDGET,
                pause: PRUNE_PAUSE,
            },
        );
        supervisor.run("retention", async move { retention.run().await });
        let mut messages = MessageService::new(
            Arc::clone(&store),
            Arc::clone(&identity.pod),
            settings.store.idempotency_ttl,
        );
        if is_cacheable {
            // Not the one of the small answers: messages would drive them out.
            messages = messages.with_cache(dependencies::memory_cache(&clock, &metrics));
        }
        let (stop_streams, streams_stopped) = watch::channel(false);
        let services = Services {
            access: Arc::new(access::control(&settings, revocations, &clock)),
            messages: Arc::new(messages),
            health: Arc::new(HealthService::new(
                Arc::clone(&store),
                Arc::clone(&shared.cache),
                shared.breaker,
                Arc::clone(&lifecycle),
                Arc::clone(&clock),
            )),
            info: Arc::new(InfoService::new(identity, shared.cache, Arc::clone(&clock))),
            rate_limiter: rate_limiter.map(Arc::new),
            lifecycle: Arc::clone(&lifecycle),
            clock: Arc::clone(&clock),
            request_metrics: Arc::clone(&metrics) as _,
            exposition: metrics as _,
            stop_streams: streams_stopped,
        };
        let http = posthorn_http::bind(http_settings(&settings)?, services)?;
        Ok(Self {
            http,
            store,
            clock,
            lifecycle,
            stop_streams,
            pool: shared.pool,
            supervisor,
            settings,
        })
    }

    /// The addresses that requests are served on.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.http.addresses()
    }

    /// Serves until `stop` is done, then drains and closes everything.
    ///
    /// # Errors
    /// What ended it, if that was not `stop`.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Result<(), RunError> {
        let addresses = self.http.addresses().to_vec();
        let mut server = self.http.start();
        self.lifecycle.advance(Phase::Ready);
        announce(&self.settings, &addresses);
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
        tracing::info!(timeout = ?shutdown.timeout, "stopping: finishing what is in flight");
        self.stop_streams.send_replace(true);
        server.stop().await;
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

/// How the server is set up.
fn http_settings(settings: &Settings) -> Result<HttpSettings, StartError> {
    let (listen, http) = (&settings.listen, &settings.http);
    let metrics_addresses = match listen.metrics_port {
        Some(port) => resolve(&listen.host, port)?,
        None => Vec::new(),
    };
    Ok(HttpSettings {
        addresses: resolve(&listen.host, listen.port)?,
        metrics_addresses,
        workers: http.workers,
        max_body_bytes: http.max_body_bytes,
        content_rules: http.content_rules,
        default_locale: http.default_locale,
        is_production: settings.environment.is_production(),
        cors_origins: http.cors_origins.clone(),
        request_timeout: http.request_timeout,
        header_timeout: http.header_timeout,
        keep_alive: http.keep_alive,
        max_connections: open_files::connections(http.max_connections, open_files::raise()),
        max_in_flight: http.max_in_flight,
        max_streams: http.max_streams,
        flood_per_second: http.flood_per_second,
        flood_burst: http.flood_burst,
        trusted_proxies: http.trusted_proxies,
        shutdown_timeout: settings.shutdown.timeout,
    })
}

/// The address of a host: of a name with several the first IPv4 one, because a host may know an
/// IPv6 address that it cannot listen on.
fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, StartError> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let refused = |reason| StartError::Listen {
        place: format!("{host}:{port}"),
        reason,
    };
    let found: Vec<_> = (host, port).to_socket_addrs().map_err(refused)?.collect();
    let first = found
        .iter()
        .find(|address| address.is_ipv4())
        .or(found.first());
    Ok(first.copied().into_iter().collect())
}

/// Says where to look, once requests are served.
fn announce(settings: &Settings, addresses: &[SocketAddr]) {
    let Some(address) = addresses.first() else {
        return;
    };
    // What listens everywhere is looked at from here.
    let ip = match address.ip() {
        ip if ip.is_unspecified() && ip.is_ipv4() => Ipv4Addr::LOCALHOST.into(),
        ip if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let url = format!("http://{}/", SocketAddr::new(ip, address.port()));
    tracing::info!(
        url,
        docs = format!("{url}docs/"),
        environment = settings.environment.as_str(),
        version = settings.app_version,
        ?addresses,
        "ready: open {url}"
    );
    access::warn_of_open_access(settings);
    if settings.secret.key_is_random {
        tracing::warn!(
            "SECRET_KEY is not set: a random key was made, and it ends with this process"
        );
    }
}
