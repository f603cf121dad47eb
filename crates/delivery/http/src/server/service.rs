//! What runs on a connection: HTTP/1.1, the middleware, the routes.

use std::future::ready;
use std::time::Duration;

use actix_governor::Governor;
use actix_http::error::DispatchError;
use actix_http::{Extensions, HttpService};
use actix_server::GracefulShutdownSignal;
use actix_service::{ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::AppConfig;
use actix_web::middleware::{Condition, from_fn};
use actix_web::{App, web};
use tokio::net::TcpStream;

use crate::connection::{Alarm, Connection};
use crate::middleware::access_log::observe;
use crate::middleware::cors::{self, preflight};
use crate::middleware::flood::{self, FloodGuard};
use crate::router;
use crate::settings::CorsOrigins;
use crate::state::State;

/// How long a client may take to close after the server did.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(2);

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
    let signal = signal.clone();
    let http = HttpService::build()
        .graceful_shutdown_signal(move || {
            let signal = signal.clone();
            async move { signal.notified().await }
        })
        .keep_alive(settings.keep_alive)
        .client_request_timeout(settings.header_timeout)
        .client_disconnect_timeout(DISCONNECT_TIMEOUT)
        .on_connect_ext(|connection: &Connection, data: &mut Extensions| {
            data.insert(connection.gone());
            data.insert(connection.turns());
            data.insert(Alarm::default());
            if let Some(peer) = connection.peer() {
                data.insert(peer);
            }
        })
        .h1(map_config(app, |()| AppConfig::default()));
    let state = state.clone();
    fn_service(move |io: TcpStream| {
        // Answers are written whole; to wait for more would only delay them. A socket that does
        // not take the option works all the same.
        let _ = io.set_nodelay(true);
        let peer = io.peer_addr().ok();
        let connection = Connection::new(io, peer, state.clone());
        ready(Ok((connection, peer)))
    })
    .and_then(http)
}
