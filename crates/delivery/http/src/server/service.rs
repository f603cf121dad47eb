//! The actix app on a listener: the routes, and the middleware around all of them in one order.

use std::rc::Rc;

use actix_governor::Governor;
use actix_http::error::DispatchError;
use actix_server::GracefulShutdownSignal;
use actix_service::{ServiceFactory, map_config};
use actix_web::dev::AppConfig;
use actix_web::middleware::{Condition, from_fn};
use actix_web::{App, web};
use posthorn_http1::ConnectionSettings;
use tokio::net::TcpStream;

use crate::middleware::access_log::access_log;
use crate::middleware::around::around;
use crate::middleware::cors::{self, preflight};
use crate::middleware::flood::{self, FloodGuard};
use crate::router;
use crate::server::connection_hooks::ServerHooks;
use crate::settings::CorsOrigins;
use crate::state::AppState;

/// The kind of a listener: it decides on the routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListenerKind {
    /// All routes, with or without `/metrics`.
    Main { with_metrics: bool },
    /// Probes and `/metrics`.
    Metrics,
}

/// The service of one listener on one worker, which has at most `connections` of all its listeners.
pub(super) fn service(
    state: &web::Data<AppState>,
    flood: &FloodGuard,
    signal: &GracefulShutdownSignal,
    kind: ListenerKind,
    connections: usize,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()>
+ use<> {
    // An `Arc` of the worker's own: its reference count is not contended by other workers.
    let state = &web::Data::new(AppState::clone(state));
    let settings = &state.settings;
    let origins = &settings.cors_origins;
    let is_main = kind != ListenerKind::Metrics;
    let has_cors = is_main && *origins != CorsOrigins::None;
    let has_flood_guard = is_main && flood::is_enabled(settings);
    let app = App::new()
        .app_data(state.clone())
        .configure(|config| match kind {
            ListenerKind::Main { with_metrics } => router::configure(config, with_metrics),
            ListenerKind::Metrics => router::configure_metrics(config),
        })
        // From the innermost to the outermost. Around each handler stands `load_shed` as well, which
        // the router adds.
        .wrap(Condition::new(has_flood_guard, Governor::new(flood)))
        .wrap(Condition::new(has_cors, cors::middleware(origins)))
        .wrap(Condition::new(has_cors, from_fn(preflight)))
        .wrap(around(access_log));
    let limits = ConnectionSettings {
        header_timeout: settings.header_timeout,
        keep_alive: settings.keep_alive,
        max_connections: connections,
    };
    let hooks = Rc::new(ServerHooks::new(state.clone()));
    let app = map_config(app, |()| AppConfig::default());
    posthorn_http1::tcp_service(limits, signal.clone(), hooks, app)
}
