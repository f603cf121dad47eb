//! Binding listeners and running the server on them.

mod connection_hooks;
mod service;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::web;
use tokio::task::{JoinHandle, JoinSet};

use crate::middleware::flood::{self, FloodGuard};
use crate::settings::HttpSettings;
use crate::state::Services;
use crate::state::State;
use service::Surface;

/// The most threads that actix-server takes.
const MAX_WORKERS: usize = 512;
/// The most connections of the platform's listener: probes and scrapes are few.
const MAX_PLATFORM_CONNECTIONS: usize = 256;

/// Open listeners; nothing is served yet.
pub struct Bound {
    server: Server,
    metrics_server: Option<Server>,
    addresses: Vec<SocketAddr>,
    metrics_addresses: Vec<SocketAddr>,
    flood: Option<FloodGuard>,
}

/// A server that serves.
#[derive(Debug)]
pub struct Running {
    handles: Vec<ServerHandle>,
    main: JoinHandle<io::Result<()>>,
    metrics: Option<JoinHandle<io::Result<()>>>,
    /// Keeps the flood guard's memory small; ends with this.
    housekeeping: JoinSet<()>,
}

/// The listeners cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addresses:?}: {reason}")]
pub struct BindError {
    /// Where it was tried.
    addresses: Vec<SocketAddr>,
    /// Why it failed.
    #[source]
    reason: io::Error,
}

/// Opens the listeners; call it on a tokio runtime. Signals are left to the caller.
///
/// # Errors
/// An address cannot be bound, or there is none.
pub fn bind(settings: HttpSettings, services: Services) -> Result<Bound, BindError> {
    let flood = flood::guard(&settings).map_err(|reason| BindError {
        addresses: settings.addresses.clone(),
        reason,
    })?;
    let state = web::Data::new(State::new(settings, services));
    let settings = &state.settings;
    let has_metrics_listener = !settings.metrics_addresses.is_empty();
    let metrics = if has_metrics_listener {
        let addresses = &settings.metrics_addresses;
        let most = settings.max_connections.min(MAX_PLATFORM_CONNECTIONS);
        Some(open(
            &state,
            &flood,
            addresses,
            Surface::Metrics,
            (1, most),
        )?)
    } else {
        None
    };
    let surface = Surface::Main {
        with_metrics: !has_metrics_listener,
    };
    // Each worker takes its share of the connections: with one more than they, some would take none.
    let most = settings.max_connections.max(1);
    let workers = settings.workers.clamp(1, MAX_WORKERS).min(most);
    let (server, addresses) = open(
        &state,
        &flood,
        &settings.addresses,
        surface,
        (workers, most),
    )?;
    let (metrics_server, metrics_addresses) = metrics.unzip();
    Ok(Bound {
        server,
        metrics_server,
        addresses,
        metrics_addresses: metrics_addresses.unwrap_or_default(),
        flood: flood::is_on(settings).then_some(flood),
    })
}

/// Opens every listener of one surface, for so many workers and at most so many connections.
fn open(
    state: &web::Data<State>,
    flood: &FloodGuard,
    addresses: &[SocketAddr],
    surface: Surface,
    (workers, connections): (usize, usize),
) -> Result<(Server, Vec<SocketAddr>), BindError> {
    let refused = |reason| BindError {
        addresses: addresses.to_vec(),
        reason,
    };
    let listeners = posthorn_http1::listen_all(addresses).map_err(refused)?;
    let bound: io::Result<Vec<_>> = listeners.iter().map(TcpListener::local_addr).collect();
    let bound = bound.map_err(refused)?;
    let settings = &state.settings;
    let mut builder = Server::build()
        .workers(workers)
        // The cap is for each worker; all together never take more than was said.
        .max_concurrent_connections(connections / workers)
        .shutdown_timeout(whole_seconds(settings.shutdown_timeout))
        .disable_signals();
    for listener in listeners {
        let signal = builder.graceful_shutdown_signal();
        let (state, flood) = (state.clone(), flood.clone());
        let factory = move || service::service(&state, &flood, &signal, surface);
        builder = builder.listen("http", listener, factory).map_err(refused)?;
    }
    Ok((builder.run(), bound))
}

/// Rounded up: actix counts in whole seconds, and less time than configured would cut requests.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

impl Bound {
    /// Where requests are served.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where `/metrics` is served, when it has a listener of its own.
    pub fn metrics_addresses(&self) -> &[SocketAddr] {
        &self.metrics_addresses
    }

    /// Starts to serve; call it on a tokio runtime.
    pub fn start(self) -> Running {
        let mut handles = vec![self.server.handle()];
        handles.extend(self.metrics_server.as_ref().map(Server::handle));
        let mut housekeeping = JoinSet::new();
        if let Some(flood) = self.flood {
            housekeeping.spawn(flood::forget_quiet_clients(flood));
        }
        Running {
            housekeeping,
            handles,
            main: tokio::spawn(self.server),
            metrics: self.metrics_server.map(tokio::spawn),
        }
    }
}

impl Running {
    /// Waits until the server ends by itself, which it should not; says why it did.
    pub async fn ended(&mut self) -> String {
        let metrics = async {
            match &mut self.metrics {
                Some(metrics) => metrics.await,
                None => std::future::pending().await,
            }
        };
        let outcome = tokio::select! {
            outcome = &mut self.main => outcome,
            outcome = metrics => outcome,
            Some(ended) = self.housekeeping.join_next() => ended.map(Ok),
        };
        match outcome {
            Ok(Ok(())) => "it stopped".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        }
    }

    /// Stops accepting, lets requests in flight finish within the shutdown time-out, and closes
    /// every connection. The platform's listener stays open until the main one is done, so that
    /// probes are answered to the end.
    pub async fn stop(self) {
        for handle in &self.handles {
            handle.stop(true).await;
        }
    }
}
