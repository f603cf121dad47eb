//! The middleware around each handler: the limit on requests in flight, the time limit, authorization,
//! rate limiting, and panics.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::{Error, HttpRequest, web};
use futures_util::FutureExt;
use posthorn_application::Action;
use posthorn_http1::{HeaderLines, RequestTracker};
use tokio::time::timeout;

use crate::middleware::around::Next;
use crate::middleware::deadline::{Deadline, Elapsed};
use crate::middleware::rate_limit::outcome;
use crate::middleware::{authorization, rate_limit};
use crate::request::{body, context};
use crate::route::Route;
use crate::state::AppState;
use crate::state::metrics::Shed;
use crate::wire::problem::{ApiError, Code};
use crate::wire::query::Query;

/// The causes of internal errors. The panic hook has logged the reason and the place of a panic.
const PANICKED: &str = "panicked";
const NO_STATE: &str = "the request has no server state";
/// The time limit on the rest of a rejected request's body.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(100);

/// Handles a request within the limit on requests in flight, or rejects it.
pub(crate) async fn load_shed(
    route: &'static Route,
    request: ServiceRequest,
    next: Next<
        impl Service<
            ServiceRequest,
            Response = ServiceResponse<impl MessageBody + 'static>,
            Error = Error,
        >,
    >,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let head = request.request().clone();
    let context = context::of(&head);
    context.route.set(Some(route));
    let Some(state) = request.app_data::<web::Data<AppState>>().cloned() else {
        let error = ApiError::caused_by(Code::Internal, NO_STATE);
        return Ok(error_response(error.into(), head));
    };
    if !route.is_probe() {
        let Some(permit) = state.in_flight.acquire(state.settings.max_in_flight) else {
            state.services.request_metrics.request_shed(Shed::InFlight);
            return Ok(reject(
                route,
                &state,
                &head,
                ApiError::overloaded("MAX_IN_FLIGHT"),
            ));
        };
        context.permit.replace(Some(permit));
    }
    let response = handle(route, &state, request, next).await;
    // The context lives as long as the response body does, which may be a stream.
    context.permit.take();
    Ok(response)
}

/// Authorizes and counts the request, then calls its handler, all within the time limit.
async fn handle(
    route: &'static Route,
    state: &AppState,
    mut request: ServiceRequest,
    next: Next<
        impl Service<
            ServiceRequest,
            Response = ServiceResponse<impl MessageBody + 'static>,
            Error = Error,
        >,
    >,
) -> ServiceResponse<BoxBody> {
    let head = request.request().clone();
    let fail = |error: ApiError| reject(route, state, &head, error);
    let timed_out = |error| {
        let metrics = &state.services.request_metrics;
        metrics.request_shed(Shed::RequestTimeout);
        fail(error)
    };
    let deadline = Deadline::new(&head, state.settings.request_timeout + route.max_wait());
    // Authorization first: the verified token decides for which client the request counts.
    let authorized = {
        let authorizing = AssertUnwindSafe(authorization::authorize(route, state, &head));
        match deadline.run(pin!(authorizing.catch_unwind())).await {
            Ok(Ok(authorized)) => authorized,
            Ok(Err(_panic)) => Err(ApiError::caused_by(Code::Internal, PANICKED).into()),
            Err(Elapsed) => return timed_out(ApiError::too_slow()),
        }
    };
    // Rejected requests count too, or guessing tokens would be free.
    let counted = {
        let counting = rate_limit::check(route, state, &head, authorized.err());
        deadline.run(pin!(counting)).await
    };
    let Ok((mut outcome, error)) = counted else {
        return timed_out(ApiError::too_slow());
    };
    let error = error.or_else(|| refused_parameters(route, &head));
    let response = if let Some(error) = error {
        drain(&mut request, state.settings.max_body_bytes).await;
        fail(error)
    } else {
        // What is late is dropped before anything else is awaited: it may hold a permit and a place in line.
        let handled = {
            let mut handling = pin!(AssertUnwindSafe(next.call(request)).catch_unwind());
            let handled = deadline.run(handling.as_mut()).await;
            // Whose fault it is, as long as the handler may wait for its body.
            handled.map_err(|Elapsed| late(&head))
        };
        match handled {
            Ok(Ok(Ok(response))) => response.map_into_boxed_body(),
            Ok(Ok(Err(error))) => error_response(error, head.clone()),
            Ok(Err(_panic)) => fail(ApiError::caused_by(Code::Internal, PANICKED)),
            Err(error) => {
                // A handler that counts by the body has not got so far.
                outcome = outcome.or_else(|| rate_limit::take_outcome(&head));
                if outcome.is_none() && route.is_counted_by_handler() {
                    outcome = rate_limit::count(route, state, &head).await;
                }
                timed_out(error)
            }
        }
    };
    if let Some(outcome) = outcome.or_else(|| rate_limit::take_outcome(&head))
        && let Some(lines) = head.conn_data::<HeaderLines>()
    {
        outcome::push_fields(lines, &outcome);
    }
    response
}

/// The error of a request whose time is over: its body, which the handler waits for, has not arrived, or the server is
/// slow.
fn late(request: &HttpRequest) -> ApiError {
    let requests = request.conn_data::<RequestTracker>();
    if requests.is_some_and(RequestTracker::is_body_awaited) {
        ApiError::new(Code::RequestTimeout)
    } else {
        ApiError::too_slow()
    }
}

/// The error of a request with parameters to a route that has none.
fn refused_parameters(route: &Route, request: &HttpRequest) -> Option<ApiError> {
    let query = request.query_string();
    if query.is_empty() || !route.refuses_parameters(request.method()) {
        return None;
    }
    Query::parse(query, &[]).finish().err()
}

/// Reads the body of a rejected request, so that its client can continue to use the connection: a new
/// one costs both sides more than the response. The request is not in flight meanwhile.
async fn drain(request: &mut ServiceRequest, max: usize) {
    context::of(request.request()).permit.take();
    if let Ok(payload) = request.extract::<web::Payload>().await {
        // A client that is too slow or sends too much loses its connection.
        let _ = timeout(DRAIN_TIMEOUT, body::read(request.request(), payload, max)).await;
    }
}

/// The response to a request that did not reach its handler. Where the route accepts messages, the
/// message counts as rejected.
fn reject(
    route: &'static Route,
    state: &AppState,
    head: &HttpRequest,
    error: ApiError,
) -> ServiceResponse<BoxBody> {
    if route.action(head.method()) == Action::Write {
        let metrics = &state.services.request_metrics;
        metrics.message_rejected(error.code.as_str());
    }
    error_response(error.into(), head.clone())
}

fn error_response(error: Error, head: HttpRequest) -> ServiceResponse<BoxBody> {
    ServiceResponse::from_err(error, head)
}
