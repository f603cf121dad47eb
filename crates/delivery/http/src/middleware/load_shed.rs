//! Around each handler: the in-flight cap, the time-out, who may call it, the quota, and panics.

use std::cell::Cell;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::state::metrics::Shed;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, web};
use futures_util::FutureExt;
use posthorn_application::Action;
use posthorn_http1::SharedDeadline;
use tokio::time::{Instant, timeout};

use crate::middleware::authorization;
use crate::middleware::rate_limit;
use crate::request::body;
use crate::request::context;
use crate::route::Route;
use crate::state::State;
use crate::wire::problem::{ApiError, Code};

/// How long the body of a refused request is waited for.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(100);

/// The end of a request's time, which starts when it has to wait for the first time: what comes before
/// that takes microseconds.
struct Deadline {
    timeout: Duration,
    at: Cell<Option<Instant>>,
    timer: SharedDeadline,
}

/// The request has had its time.
struct Elapsed;

/// Notes the route and gives the request its place, then handles it.
pub(crate) async fn guard(
    route: &'static Route,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let request_of = request.request().clone();
    let context = context::of(&request_of);
    context.route.set(Some(route));
    let Some(state) = request.app_data::<web::Data<State>>().cloned() else {
        tracing::error!("the state of the server is missing");
        return Ok(failed(ApiError::new(Code::Internal).into(), request_of));
    };
    if !route.is_probe() {
        let Some(place) = state.in_flight.enter(state.settings.max_in_flight) else {
            state.services.request_metrics.request_shed(Shed::InFlight);
            return Ok(refused(route, &state, &request_of, ApiError::overloaded()));
        };
        context.place.replace(Some(place));
    }
    let response = handle(route, &state, request, next).await;
    context.place.take();
    Ok(response)
}

/// Checks the token, counts the request, then runs its handler within its bounds.
async fn handle(
    route: &'static Route,
    state: &State,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> ServiceResponse<BoxBody> {
    let request_of = request.request().clone();
    let fail = |error: ApiError| refused(route, state, &request_of, error);
    let late = || {
        let metrics = &state.services.request_metrics;
        metrics.request_shed(Shed::RequestTimeout);
        ApiError::new(Code::RequestTimeout)
    };
    let deadline = Deadline::new(&request_of, state.settings.request_timeout);
    let authorizing = AssertUnwindSafe(authorization::authorize(route, state, &request_of));
    let authorized = match deadline.within(authorizing.catch_unwind()).await {
        Ok(Ok(authorized)) => authorized,
        // The panic hook has logged it.
        Ok(Err(_panic)) => Err(ApiError::new(Code::Internal).into()),
        Err(Elapsed) => return fail(late()),
    };
    let deciding = rate_limit::decide(route, state, &request_of, authorized.err());
    let Ok((decided, refusal)) = deadline.within(deciding).await else {
        return fail(late());
    };
    let mut response = if let Some(error) = refusal {
        drain(&mut request, state.settings.max_body_bytes).await;
        fail(error)
    } else {
        let handling = AssertUnwindSafe(next.call(request)).catch_unwind();
        match deadline.within(handling).await {
            Ok(Ok(Ok(response))) => response.map_into_boxed_body(),
            Ok(Ok(Err(error))) => failed(error, request_of),
            // The panic hook has logged it.
            Ok(Err(_panic)) => fail(ApiError::new(Code::Internal)),
            Err(Elapsed) => fail(late()),
        }
    };
    if let Some(decided) = decided {
        rate_limit::describe(response.headers_mut(), &decided);
    }
    response
}

impl Deadline {
    fn new(request: &HttpRequest, timeout: Duration) -> Self {
        Self {
            timeout,
            at: Cell::new(None),
            timer: request.conn_data().cloned().unwrap_or_default(),
        }
    }

    /// Waits for `future` until the deadline.
    async fn within<F: Future>(&self, future: F) -> Result<F::Output, Elapsed> {
        let mut future = pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => self.poll(cx).map(Err),
        })
        .await
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Elapsed> {
        let at = self.at.get().unwrap_or_else(|| {
            let at = Instant::now() + self.timeout;
            self.at.set(Some(at));
            at
        });
        self.timer.poll(at, cx).map(|()| Elapsed)
    }
}

/// Reads the body of a request that is refused, so that its client may go on with its connection:
/// to open another one costs both sides more than the answer. It holds no place meanwhile.
async fn drain(request: &mut ServiceRequest, most: usize) {
    context::of(request.request()).place.take();
    if let Ok(payload) = request.extract::<web::Payload>().await {
        // Who does not send it now, or sends too much, loses the connection.
        let _ = timeout(DRAIN_TIMEOUT, body::read(request.request(), payload, most)).await;
    }
}

/// The answer to a request that its handler did not answer; a message is counted as rejected.
fn refused(
    route: &'static Route,
    state: &State,
    request: &HttpRequest,
    error: ApiError,
) -> ServiceResponse<BoxBody> {
    if route.action(request.method()) == Action::Write {
        let metrics = &state.services.request_metrics;
        metrics.message_rejected(error.code.as_str());
    }
    failed(error.into(), request.clone())
}

fn failed(error: Error, request: HttpRequest) -> ServiceResponse<BoxBody> {
    ServiceResponse::from_err(error, request)
}
