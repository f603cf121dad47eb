//! Binding listeners and running the server on them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::{Condition, from_fn};
use actix_web::{App, HttpServer, web};
use tokio::task::JoinHandle;

use crate::observe::observe;
use crate::state::State;
use crate::{CorsOrigins, HttpSettings, Services, routes};

/// How long a client may take to close after the server did.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Open listeners; nothing is served yet.
pub struct Bound {
    server: Server,
    metrics_server: Option<Server>,
    addresses: Vec<SocketAddr>,
    metrics_addresses: Vec<SocketAddr>,
}

/// A server that serves.
#[derive(Debug)]
pub struct Running {
    handles: Vec<ServerHandle>,
    main: JoinHandle<io::Result<()>>,
    metrics: Option<JoinHandle<io::Result<()>>>,
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

/// Opens the listeners. Signals are left to the caller.
///
/// # Errors
/// An address cannot be bound.
pub fn bind(settings: HttpSettings, services: Services) -> Result<Bound, BindError> {
    let state = web::Data::new(State::new(settings, services));
    let settings = &state.settings;
    let separate_metrics = !settings.metrics_addresses.is_empty();
    let metrics_server = if separate_metrics {
        Some(bind_metrics(&state)?)
    } else {
        None
    };
    let factory_state = state.clone();
    let server = HttpServer::new(move || {
        let cors = &factory_state.settings.cors_origins;
        App::new()
            .app_data(factory_state.clone())
            .configure(|config| routes::configure(config, !separate_metrics))
            .wrap(Condition::new(
                *cors != CorsOrigins::None,
                cors.middleware(),
            ))
            .wrap(from_fn(observe))
    })
    .workers(settings.workers)
    // The cap is for each worker.
    .max_connections(settings.max_connections.div_ceil(settings.workers.max(1)))
    .keep_alive(settings.keep_alive)
    .client_request_timeout(settings.header_timeout)
    .client_disconnect_timeout(DISCONNECT_TIMEOUT)
    .tcp_nodelay(true)
    .shutdown_timeout(whole_seconds(settings.shutdown_timeout))
    .disable_signals();
    let server = listen(server.bind(&*settings.addresses), &settings.addresses)?;
    let addresses = server.addrs();
    let (metrics_server, metrics_addresses) = match metrics_server {
        Some((server, addresses)) => (Some(server), addresses),
        None => (None, Vec::new()),
    };
    Ok(Bound {
        server: server.run(),
        metrics_server,
        addresses,
        metrics_addresses,
    })
}

fn bind_metrics(state: &web::Data<State>) -> Result<(Server, Vec<SocketAddr>), BindError> {
    let settings = &state.settings;
    let factory_state = state.clone();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(factory_state.clone())
            .configure(routes::configure_metrics)
            .wrap(from_fn(observe))
    })
    .workers(1)
    .keep_alive(settings.keep_alive)
    .client_request_timeout(settings.header_timeout)
    .client_disconnect_timeout(DISCONNECT_TIMEOUT)
    .shutdown_timeout(whole_seconds(settings.shutdown_timeout))
    .disable_signals();
    let addresses = &settings.metrics_addresses;
    let server = listen(server.bind(&**addresses), addresses)?;
    let addresses = server.addrs();
    Ok((server.run(), addresses))
}

fn listen<T>(bound: io::Result<T>, addresses: &[SocketAddr]) -> Result<T, BindError> {
    bound.map_err(|reason| BindError {
        addresses: addresses.to_vec(),
        reason,
    })
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
        Running {
            handles,
            main: tokio::spawn(self.server),
            metrics: self.metrics_server.map(tokio::spawn),
        }
    }
}

impl Running {
    /// Waits until the server ends by itself, which it should not; says why it did.
    pub async fn ended(&mut self) -> String {
        let outcome = match &mut self.metrics {
            Some(metrics) => tokio::select! {
                outcome = &mut self.main => outcome,
                outcome = metrics => outcome,
            },
            None => (&mut self.main).await,
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
