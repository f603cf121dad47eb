//! The steps from a route to its handler: authorization, rate limiting and the handler, all within the time limit of
//! the request. Panics become errors.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::header::EXPECT;
use actix_web::{Error, HttpRequest, web};
use futures_util::FutureExt;
use posthorn_application::Action;
use posthorn_http1::{HeaderLines, RequestTracker};
use tokio::time::timeout;

use crate::middleware::around::Next;
use crate::middleware::deadline::{Deadline, Elapsed};
use crate::middleware::rate_limit::outcome::{RateLimitOutcome, push_fields};
use crate::middleware::rejection::RequestRejection;
use crate::middleware::{authorization, rate_limit};
use crate::request::{body, context};
use crate::route::Route;
use crate::state::AppState;
use crate::state::metrics::Shed;
use crate::wire::problem::{ApiError, Code};
use crate::wire::query::Query;

/// The cause of an internal error. The panic hook has logged the reason and the place of the panic.
const PANICKED: &str = "panicked";
/// The time limit on the rest of a rejected request's body.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(100);

/// The steps of one request.
struct Pipeline<'a> {
    route: &'static Route,
    state: &'a AppState,
    head: HttpRequest,
    deadline: Deadline,
}

/// Authorizes and counts the request, then calls its handler, all within the time limit.
pub(super) async fn handle(
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
    let deadline = Deadline::new(&head, state.settings.request_timeout + route.max_wait());
    let pipeline = Pipeline {
        route,
        state,
        head,
        deadline,
    };
    // Authorization first: the verified token decides for which client the request counts.
    let Ok(authorized) = pipeline.authorize_in_time().await else {
        return pipeline.time_out(ApiError::too_slow());
    };
    // Rejected requests count too, or guessing tokens would be free.
    let Ok((mut outcome, error)) = pipeline.count_in_time(authorized.err()).await else {
        return pipeline.time_out(ApiError::too_slow());
    };
    let response = if let Some(error) = error.or_else(|| pipeline.unknown_parameters()) {
        drain(&mut request, state.settings.max_body_bytes).await;
        pipeline.reject(error)
    } else {
        match pipeline.await_handler(next.call(request)).await {
            Ok(response) => response,
            Err(error) => {
                outcome = pipeline.count_late(outcome).await;
                pipeline.time_out(error)
            }
        }
    };
    if let Some(outcome) = outcome.or_else(|| rate_limit::take_outcome(&pipeline.head))
        && let Some(lines) = pipeline.head.conn_data::<HeaderLines>()
    {
        push_fields(lines, &outcome);
    }
    response
}

impl Pipeline<'_> {
    async fn authorize_in_time(&self) -> Result<Result<(), RequestRejection>, Elapsed> {
        let authorizing = authorization::authorize(self.route, self.state, &self.head);
        let authorizing = pin!(AssertUnwindSafe(authorizing).catch_unwind());
        Ok(match self.deadline.run(authorizing).await? {
            Ok(authorized) => authorized,
            Err(_panic) => Err(ApiError::caused_by(Code::Internal, PANICKED).into()),
        })
    }

    /// Counts the request; returns what [`rate_limit::check`] does.
    async fn count_in_time(
        &self,
        unauthorized: Option<RequestRejection>,
    ) -> Result<(Option<RateLimitOutcome>, Option<ApiError>), Elapsed> {
        let counting = rate_limit::check(self.route, self.state, &self.head, unauthorized);
        self.deadline.run(pin!(counting)).await
    }

    /// Awaits the handler.
    ///
    /// # Errors
    /// The time is over. The handler is dropped by then: it may have held a permit and a place in line.
    async fn await_handler(
        &self,
        handling: impl Future<Output = Result<ServiceResponse<impl MessageBody + 'static>, Error>>,
    ) -> Result<ServiceResponse<BoxBody>, ApiError> {
        let mut handling = pin!(AssertUnwindSafe(handling).catch_unwind());
        match self.deadline.run(handling.as_mut()).await {
            Ok(Ok(Ok(response))) => Ok(response.map_into_boxed_body()),
            Ok(Ok(Err(error))) => Ok(error_response(error, self.head.clone())),
            Ok(Err(_panic)) => Ok(self.reject(ApiError::caused_by(Code::Internal, PANICKED))),
            // Decide between 408 and 503 before the handler is dropped: its demand for the body ends with it.
            Err(Elapsed) => Err(late(&self.head)),
        }
    }

    /// The outcome for a request whose handler did not end in time. A handler that counts by the body may not have
    /// counted yet.
    async fn count_late(&self, outcome: Option<RateLimitOutcome>) -> Option<RateLimitOutcome> {
        let outcome = outcome.or_else(|| rate_limit::take_outcome(&self.head));
        if outcome.is_none() && self.route.is_counted_by_handler() {
            return rate_limit::count(self.route, self.state, &self.head).await;
        }
        outcome
    }

    /// The error of a request with parameters to a route that has none.
    fn unknown_parameters(&self) -> Option<ApiError> {
        let query = self.head.query_string();
        if query.is_empty() || !self.route.refuses_parameters(self.head.method()) {
            return None;
        }
        Query::parse(query, &[]).finish().err()
    }

    /// Rejects the request because its time is over.
    fn time_out(&self, error: ApiError) -> ServiceResponse<BoxBody> {
        let metrics = &self.state.services.request_metrics;
        metrics.request_shed(Shed::RequestTimeout);
        self.reject(error)
    }

    fn reject(&self, error: ApiError) -> ServiceResponse<BoxBody> {
        reject(self.route, self.state, &self.head, error)
    }
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

/// Reads the body of a rejected request, so that its client can continue to use the connection: a new
/// one costs both sides more than the response. The request is not in flight meanwhile. A client that asks whether to send
/// its body learns from the response that it need not.
async fn drain(request: &mut ServiceRequest, max: usize) {
    context::of(request.request()).permit.take();
    let requests = request.request().conn_data::<RequestTracker>();
    if request.headers().contains_key(EXPECT) && !requests.is_some_and(RequestTracker::is_whole) {
        return;
    }
    if let Ok(payload) = request.extract::<web::Payload>().await {
        // A client that is too slow or sends too much loses its connection.
        let _ = timeout(DRAIN_TIMEOUT, body::read(request.request(), payload, max)).await;
    }
}

/// The response to a request that did not reach its handler. Where the route accepts messages, the
/// message counts as rejected.
pub(super) fn reject(
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

pub(super) fn error_response(error: Error, head: HttpRequest) -> ServiceResponse<BoxBody> {
    ServiceResponse::from_err(error, head)
}
