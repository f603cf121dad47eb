//! Runs actix-http's HTTP/1 service over this crate's connections.
//!
//! Gap: actix-http counts no requests, so each is counted around the application (see `requests`). Red without it:
//! `little_is_read_ahead`.

use std::fmt::Debug;
use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use actix_http::body::{BoxBody, MessageBody};
use actix_http::error::DispatchError;
use actix_http::{Extensions, HttpService, KeepAlive, Payload, Request, Response};
use actix_server::GracefulShutdownSignal;
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, apply_fn_factory, fn_service,
};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client_io::ClientIo;
use crate::connection::{AcceptedConnection, ClientConnection, DISCONNECT_TIMEOUT};
use crate::hooks::ConnectionHooks;
use crate::requests::{BodyState, InFlightGuard, RequestTracker};
use crate::slots::ConnectionSlots;
use crate::timeouts::ConnectionSettings;

/// Serves `app` on TCP connections: the service of one listener on one worker thread. It stops keeping connections
/// alive once `signal` is notified.
pub fn tcp_service<S, B>(
    settings: ConnectionSettings,
    signal: GracefulShutdownSignal,
    hooks: Rc<dyn ConnectionHooks>,
    app: impl IntoServiceFactory<S, Request>,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()>
where
    S: ServiceFactory<Request, Config = ()> + 'static,
    S::Future: 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    S::Error: Into<Response<BoxBody>> + 'static,
    S::Response: Into<Response<B>> + 'static,
    S::InitError: Debug,
    B: MessageBody + 'static,
{
    let slots = ConnectionSlots::of_worker(settings.max_connections);
    let shutdown = move || {
        let signal = signal.clone();
        async move { signal.notified().await }
    };
    fn_service(|io: TcpStream| {
        // Responses are written whole, so waiting for more would only delay them. A socket that does not accept the
        // option works all the same.
        let _ = io.set_nodelay(true);
        let peer = io.peer_addr().ok();
        ready(Ok((io, peer)))
    })
    .and_then(connection_service(settings, slots, shutdown, hooks, app))
}

/// Serves `app` on byte streams of any kind, each with the address of its client, once it has one of `slots`. The
/// connections stop being kept alive, and to wait for a slot, once a future of `shutdown` is ready.
pub fn connection_service<Io, S, B, Shutdown>(
    settings: ConnectionSettings,
    slots: ConnectionSlots,
    shutdown: impl Fn() -> Shutdown + 'static,
    hooks: Rc<dyn ConnectionHooks>,
    app: impl IntoServiceFactory<S, Request>,
) -> impl ServiceFactory<
    (Io, Option<SocketAddr>),
    Config = (),
    Response = (),
    Error = DispatchError,
    InitError = (),
>
where
    Io: ClientIo,
    S: ServiceFactory<Request, Config = ()> + 'static,
    S::Future: 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    S::Error: Into<Response<BoxBody>> + 'static,
    S::Response: Into<Response<B>> + 'static,
    S::InitError: Debug,
    B: MessageBody + 'static,
    Shutdown: Future<Output = ()> + 'static,
{
    // Outside of every middleware: the request is in flight until its response is there.
    let app = apply_fn_factory(app, |mut request: Request, service: &S::Service| {
        let guard = start(&mut request);
        let response = service.call(request);
        async move {
            let _guard = guard;
            response.await
        }
    });
    let shutdown = Rc::new(shutdown);
    let stopped = Rc::clone(&shutdown);
    let http = HttpService::build()
        .graceful_shutdown_signal(move || stopped())
        .keep_alive(keep_alive(settings.keep_alive))
        .client_request_timeout(settings.header_timeout)
        .client_disconnect_timeout(DISCONNECT_TIMEOUT)
        .on_connect_ext(|connection: &ClientConnection<Io>, data: &mut Extensions| {
            connection.add_data(data);
        })
        .h1(app);
    fn_service(move |(io, peer)| {
        let accepted = AcceptedConnection::new(peer, hooks.clone());
        let (slots, stopped) = (slots.clone(), shutdown());
        async move {
            let refused = || DispatchError::Io(io::ErrorKind::ConnectionRefused.into());
            let accepted = accepted.ok_or_else(refused)?;
            // actix-server may have chosen a full worker although another one has a slot: a client that tries again
            // may find that one.
            let slot = tokio::select! {
                biased;
                slot = timeout(settings.header_timeout, slots.acquire()) => slot,
                () = stopped => return Err(refused()),
            };
            let slot = slot.map_err(|_| refused())?;
            Ok((ClientConnection::new(io, accepted, slot, settings), peer))
        }
    })
    .and_then(http)
}

/// The setting of actix-http: it allocates, sets and drops a timer for each request. The connection limits the time
/// between two requests itself, with one timer (see `timeouts`).
fn keep_alive(timeout: Duration) -> KeepAlive {
    if timeout.is_zero() {
        KeepAlive::Disabled
    } else {
        KeepAlive::Os
    }
}

/// Counts a request as in flight, with its body not read.
fn start(request: &mut Request) -> Option<InFlightGuard> {
    let has_body = !matches!(request.payload(), Payload::None);
    let requests = request.conn_data::<RequestTracker>()?;
    requests.set_body_state(if has_body {
        BodyState::Incomplete
    } else {
        BodyState::Complete
    });
    Some(requests.start())
}
