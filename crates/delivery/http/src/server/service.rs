//! What runs on a connection: HTTP/1.1, the middleware, the routes.

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

use crate::middleware::access_log::observe;
use crate::middleware::cors::{self, preflight};
use crate::middleware::flood::{self, FloodGuard};
use crate::router;
use crate::server::connection_hooks::ServerHooks;
use crate::settings::CorsOrigins;
use crate::state::State;

/// Which routes a listener has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surface {
    /// All of them; `/metrics` unless it has a listener of its own.
    Main { with_metrics: bool },
    /// The platform's alone.
    Metrics,
}

/// The service of one listener on one worker.
pub(super) fn service(
    state: &web::Data<State>,
    flood: &FloodGuard,
    signal: &GracefulShutdownSignal,
    surface: Surface,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()>
+ use<> {
    // What the requests of one worker hand to each other, other workers have no part in.
    let state = &web::Data::new(State::clone(state));
    let settings = &state.settings;
    let origins = &settings.cors_origins;
    let is_main = surface != Surface::Metrics;
    let has_cors = is_main && *origins != CorsOrigins::None;
    let has_flood_guard = is_main && flood::is_on(settings);
    let app = App::new()
        .app_data(state.clone())
        .configure(|config| match surface {
            Surface::Main { with_metrics } => router::configure(config, with_metrics),
            Surface::Metrics => router::configure_metrics(config),
        })
        // The last one is the outermost.
        .wrap(Condition::new(has_flood_guard, Governor::new(flood)))
        .wrap(Condition::new(has_cors, cors::middleware(origins)))
        .wrap(Condition::new(has_cors, from_fn(preflight)))
        .wrap(from_fn(observe));
    let limits = ConnectionSettings {
        header_timeout: settings.header_timeout,
        keep_alive: settings.keep_alive,
    };
    let hooks = Rc::new(ServerHooks::new(state.clone()));
    let app = map_config(app, |()| AppConfig::default());
    posthorn_http1::tcp_service(limits, signal.clone(), hooks, app)
}
