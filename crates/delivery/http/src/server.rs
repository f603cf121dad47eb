//! The server: binds listeners, runs workers on them, and stops.

mod addresses;
mod connection_hooks;
mod service;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::dev::{Server, ServerHandle};
use actix_web::web;
use posthorn_application::TopicTails;
use tokio::task::{JoinHandle, JoinSet};

use crate::middleware::flood::{self, FloodGuard};
use crate::settings::HttpSettings;
use crate::state::message_frame::MessageFrame;
use crate::state::{AppState, Services};
use crate::wire::stream_frames;
use crate::wire::time::whole_seconds;
pub use addresses::{BindError, resolve};
use service::ListenerKind;

/// The maximum number of workers of actix-server.
const MAX_WORKERS: usize = 512;
/// The maximum number of connections of the metrics listener: probes and scrapes are few.
const MAX_METRICS_CONNECTIONS: usize = 256;

/// A server with bound listeners; nothing is served yet.
pub struct BoundServer {
    server: Server,
    metrics_server: Option<Server>,
    addresses: Vec<SocketAddr>,
    metrics_addresses: Vec<SocketAddr>,
    flood: Option<FloodGuard>,
    tails: Arc<TopicTails<MessageFrame>>,
}

/// A running server.
#[derive(Debug)]
pub struct RunningServer {
    handles: Vec<ServerHandle>,
    main: JoinHandle<io::Result<()>>,
    metrics: Option<JoinHandle<io::Result<()>>>,
    /// Reads the followed topics, and removes idle clients from the flood guard; dropping it ends both.
    housekeeping: JoinSet<()>,
}

/// Binds the listeners; has to run on a tokio runtime. Signals are left to the caller.
///
/// # Errors
/// An address cannot be bound, or there is none.
pub fn bind(settings: HttpSettings, services: Services) -> Result<BoundServer, BindError> {
    let flood =
        flood::guard(&settings).map_err(|reason| BindError::new(&settings.addresses, reason))?;
    let clock = Arc::clone(&services.clock);
    let tails = Arc::new(services.messages.tails(clock, stream_frames::messages));
    let state = web::Data::new(AppState::new(settings, services, Arc::clone(&tails)));
    let settings = &state.settings;
    let has_metrics_listener = !settings.metrics_addresses.is_empty();
    let metrics = if has_metrics_listener {
        let addresses = &settings.metrics_addresses;
        let max = settings.max_connections.min(MAX_METRICS_CONNECTIONS);
        Some(open(
            &state,
            &flood,
            addresses,
            ListenerKind::Metrics,
            (1, max),
        )?)
    } else {
        None
    };
    let kind = ListenerKind::Main {
        with_metrics: !has_metrics_listener,
    };
    // Each worker takes its share of the connections: with more workers than connections, the share
    // would be 0.
    let max = settings.max_connections.max(1);
    let workers = settings.workers.clamp(1, MAX_WORKERS).min(max);
    let (server, addresses) = open(&state, &flood, &settings.addresses, kind, (workers, max))?;
    let (metrics_server, metrics_addresses) = metrics.unzip();
    Ok(BoundServer {
        server,
        metrics_server,
        addresses,
        metrics_addresses: metrics_addresses.unwrap_or_default(),
        flood: flood::is_enabled(settings).then_some(flood),
        tails,
    })
}

/// Binds the listeners of one kind, for a number of workers and at most a number of connections.
fn open(
    state: &web::Data<AppState>,
    flood: &FloodGuard,
    addresses: &[SocketAddr],
    kind: ListenerKind,
    (workers, connections): (usize, usize),
) -> Result<(Server, Vec<SocketAddr>), BindError> {
    let error = |reason| BindError::new(addresses, reason);
    let listeners = posthorn_http1::listen_all(addresses).map_err(error)?;
    let bound: io::Result<Vec<_>> = listeners.iter().map(TcpListener::local_addr).collect();
    let bound = bound.map_err(error)?;
    let settings = &state.settings;
    // Each worker has its share.
    let share = connections / workers;
    let mut builder = Server::build()
        .workers(workers)
        // One more: it waits until an idle connection gives way.
        .max_concurrent_connections(share + 1)
        // Rounded up: less time than configured would cut requests off.
        .shutdown_timeout(whole_seconds(settings.shutdown_timeout))
        .disable_signals();
    for listener in listeners {
        let signal = builder.graceful_shutdown_signal();
        let (state, flood) = (state.clone(), flood.clone());
        let factory = move || service::service(&state, &flood, &signal, kind, share);
        builder = builder.listen("http", listener, factory).map_err(error)?;
    }
    Ok((builder.run(), bound))
}

impl BoundServer {
    /// The addresses of the main listener.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The URL of the main listener for a client on this machine.
    pub fn local_url(&self) -> Option<String> {
        let address = self.addresses.first()?;
        Some(format!("http://{}/", addresses::reachable(*address)))
    }

    /// The addresses of the metrics listener; empty if there is none.
    pub fn metrics_addresses(&self) -> &[SocketAddr] {
        &self.metrics_addresses
    }

    /// Starts to serve; has to run on a tokio runtime.
    pub fn start(self) -> RunningServer {
        let mut handles = vec![self.server.handle()];
        handles.extend(self.metrics_server.as_ref().map(Server::handle));
        let mut housekeeping = JoinSet::new();
        let tails = self.tails;
        housekeeping.spawn(async move { tails.run().await });
        if let Some(flood) = self.flood {
            housekeeping.spawn(flood::remove_idle_clients(flood));
        }
        RunningServer {
            housekeeping,
            handles,
            main: tokio::spawn(self.server),
            metrics: self.metrics_server.map(tokio::spawn),
        }
    }
}

impl RunningServer {
    /// Waits until the server ends without [`RunningServer::stop`], which is a failure; returns the reason.
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

    /// Stops accepting, waits for requests in flight up to the shutdown timeout, and closes every
    /// connection. The metrics listener stops last, so that probes work to the end.
    pub async fn stop(self) {
        for handle in &self.handles {
            handle.stop(true).await;
        }
    }
}
