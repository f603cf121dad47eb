//! Rate limiting: counts a request against the quotas of its client.

pub(crate) mod outcome;

use actix_web::{HttpMessage, HttpRequest};
use posthorn_application::{QuotaScope, RateLimiter};

use crate::middleware::rate_limit::outcome::RateLimitOutcome;
use crate::middleware::rejection::RequestRejection;
use crate::request::{caller, grant};
use crate::route::Route;
use crate::state::AppState;
use crate::wire::problem::{ApiError, Code};

/// Counts a request; returns the outcome for the headers of its response, and the error if it is
/// rejected.
///
/// A request that authorization has rejected counts as well, for its address, because its token is not
/// trusted. If it exceeds the quota, that error replaces the one of authorization. A request that was
/// rejected for a limit does not count again.
pub(crate) async fn check(
    route: &'static Route,
    state: &AppState,
    request: &HttpRequest,
    unauthorized: Option<RequestRejection>,
) -> (Option<RateLimitOutcome>, Option<ApiError>) {
    let unauthorized = match unauthorized {
        Some(RequestRejection {
            error,
            outcome: Some(outcome),
        }) => return (Some(*outcome), Some(error)),
        Some(RequestRejection { error, .. }) => Some(error),
        None => None,
    };
    // What a handler counts by the body does not wait for it if not even one more request fits.
    if route.is_counted_by_handler()
        && unauthorized.is_none()
        && !is_full(route, state, request).await
    {
        return (None, None);
    }
    let outcome = count(route, state, request).await;
    let exceeded = outcome.as_ref().and_then(RateLimitOutcome::error);
    (outcome, exceeded.or(unauthorized))
}

/// True if no further request of the client fits.
async fn is_full(route: &'static Route, state: &AppState, request: &HttpRequest) -> bool {
    let rate_limiter = state.services.rate_limiter.as_deref();
    let (Some(rate_limiter), Some(scope)) = (rate_limiter, route.quota_scope(request.method()))
    else {
        return false;
    };
    let grant = grant::of(request);
    let decision = rate_limiter.peek(scope, caller::of(request, &grant)).await;
    // The handler's own check logs an error.
    decision.is_ok_and(|decision| decision.is_some_and(|decision| !decision.decision.allowed))
}

/// Counts a request of a handler that counts itself, as `count` requests. The outcome is left for
/// the headers of the response; see [`take_outcome`].
///
/// # Errors
/// `rate-limited`, or `payload-too-large` if so many requests never fit. Neither counts.
pub(crate) async fn check_many(
    scope: QuotaScope,
    state: &AppState,
    request: &HttpRequest,
    count: u32,
) -> Result<(), ApiError> {
    let Some(rate_limiter) = state.services.rate_limiter.as_deref() else {
        return Ok(());
    };
    let grant = grant::of(request);
    let caller = caller::of(request, &grant);
    let at = state.services.clock.now();
    let decision = match rate_limiter.check_many(scope, caller, count).await {
        Ok(Some(decision)) => decision,
        Ok(None) => return Ok(()),
        // A failing counter must not make the service unavailable: the request is accepted.
        Err(error) => {
            tracing::error!(%error, "a request was not counted");
            return Ok(());
        }
    };
    // Of the limits that were applied: a process may have a share of the configured ones.
    let windows = decision.decision.windows.iter();
    let most = windows.map(|window| window.quota.count());
    let too_many = most.min().filter(|most| count > *most);
    let outcome = RateLimitOutcome::new(decision, at);
    let error = (!outcome.is_allowed()).then(|| match too_many {
        Some(most) => never_fits(count, most),
        None => outcome.exceeded(count),
    });
    request.extensions_mut().insert(outcome);
    error.map_or(Ok(()), Err)
}

/// The error of a batch that is larger than a limit.
fn never_fits(count: u32, most: u32) -> ApiError {
    ApiError::new(Code::PayloadTooLarge).with_detail(
        format!("Пакет из {count} сообщений не помещается в лимит: не больше {most}."),
        format!("A batch of {count} messages never fits the limit of {most}."),
    )
}

/// The outcome that [`check_many`] left.
pub(crate) fn take_outcome(request: &HttpRequest) -> Option<RateLimitOutcome> {
    request.extensions_mut().remove()
}

/// Counts a request; `None` if it has no limits or could not be counted.
pub(crate) async fn count(
    route: &'static Route,
    state: &AppState,
    request: &HttpRequest,
) -> Option<RateLimitOutcome> {
    let rate_limiter: &RateLimiter = state.services.rate_limiter.as_deref()?;
    let scope = route.quota_scope(request.method())?;
    let grant = grant::of(request);
    let at = state.services.clock.now();
    match rate_limiter.check(scope, caller::of(request, &grant)).await {
        Ok(decision) => decision.map(|decision| RateLimitOutcome::new(decision, at)),
        Err(error) => {
            // A failing counter must not make the service unavailable: the request is accepted.
            tracing::error!(%error, "a request was not counted");
            None
        }
    }
}
