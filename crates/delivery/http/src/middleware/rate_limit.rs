//! Rate limiting: counts a request against the quotas of its client, and describes them in its response.

use std::cell::RefCell;

use actix_web::{HttpMessage, HttpRequest};
use posthorn_application::{
    QuotaDecision, QuotaScope, QuotaWindow, RateLimitDecision, RateLimiter,
};
use posthorn_domain::{Quota, Timestamp};
use posthorn_http1::HeaderLines;

use crate::request::{caller, grant};
use crate::route::Route;
use crate::state::AppState;
use crate::wire::problem::{ApiError, Code, Exceeded};
use crate::wire::rate_limit_fields::{self as fields, Policies, Policy, Usage};
use crate::wire::time::whole_seconds;

/// The prefix of the names of the limits on invalid tokens.
const AUTH_FAILURES: &str = "auth-failures";

/// The decision on one request, with the prefix of its limits' names.
#[derive(Debug)]
pub(crate) struct RateLimitOutcome {
    prefix: &'static str,
    /// True if this process counts alone although the processes are configured to count together.
    degraded: bool,
    decision: QuotaDecision,
    /// The time of the request for the decision: resets are relative to it.
    at: Timestamp,
}

/// A rejected request: its error, and the limit if it was rejected for one.
#[derive(Debug)]
pub(crate) struct RateLimitRejection {
    pub(crate) error: ApiError,
    outcome: Option<Box<RateLimitOutcome>>,
}

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
    unauthorized: Option<RateLimitRejection>,
) -> (Option<RateLimitOutcome>, Option<ApiError>) {
    let unauthorized = match unauthorized {
        Some(RateLimitRejection {
            error,
            outcome: Some(outcome),
        }) => return (Some(*outcome), Some(error)),
        Some(RateLimitRejection { error, .. }) => Some(error),
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
    let error = (!outcome.decision.allowed).then(|| match too_many {
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

/// Adds the header fields that describe the limits of the request and their use.
pub(crate) fn push_fields(lines: &HeaderLines, outcome: &RateLimitOutcome) {
    let windows = &outcome.decision.windows;
    let tightest = outcome.decision.tightest();
    let tightest = tightest.and_then(|tightest| windows.iter().position(|w| w == tightest));
    let usages = windows.iter().map(|window| Usage {
        remaining: window.remaining(),
        reset: window.reset,
    });
    with_policies(outcome, |policies| {
        let tightest = tightest.unwrap_or_default();
        fields::push(lines, policies, usages, tightest, outcome.at);
    });
}

/// The prefix of the names, the degraded mark and the limits, with their texts.
type CachedPolicies = (&'static str, bool, Vec<Quota>, Policies);

/// Calls `use_policies` with the policies of `outcome`. There are few different ones: each thread
/// caches the latest.
fn with_policies(outcome: &RateLimitOutcome, use_policies: impl FnOnce(&Policies)) {
    const CAPACITY: usize = 16;
    thread_local! {
        static CACHE: RefCell<Vec<CachedPolicies>> = const { RefCell::new(Vec::new()) };
    }
    let windows = &outcome.decision.windows;
    CACHE.with_borrow_mut(|cache| {
        let is_same = |(prefix, degraded, quotas, _): &&CachedPolicies| {
            *prefix == outcome.prefix
                && *degraded == outcome.degraded
                && quotas.iter().eq(windows.iter().map(|window| &window.quota))
        };
        if let Some((.., policies)) = cache.iter().find(is_same) {
            return use_policies(policies);
        }
        let policies = windows.iter().map(|window| Policy {
            name: outcome.name(window),
            quota: window.quota.count(),
            window: window.quota.window_seconds(),
        });
        let policies = Policies::new(&policies.collect::<Vec<_>>());
        use_policies(&policies);
        let quotas = windows.iter().map(|window| window.quota).collect();
        if cache.len() == CAPACITY {
            cache.remove(0);
        }
        cache.push((outcome.prefix, outcome.degraded, quotas, policies));
    });
}

impl RateLimitRejection {
    /// The rejection for an exceeded limit.
    pub(crate) fn of(outcome: RateLimitOutcome) -> Self {
        Self {
            error: outcome.exceeded(1),
            outcome: Some(Box::new(outcome)),
        }
    }
}

impl From<ApiError> for RateLimitRejection {
    fn from(error: ApiError) -> Self {
        Self {
            error,
            outcome: None,
        }
    }
}

impl RateLimitOutcome {
    /// The outcome of a decision that was requested `at` this time.
    pub(crate) fn new(decision: RateLimitDecision, at: Timestamp) -> Self {
        Self {
            prefix: decision.class.as_str(),
            degraded: decision.degraded,
            decision: decision.decision,
            at,
        }
    }

    /// The outcome of the limit on invalid tokens.
    pub(crate) fn of_auth_failures(decision: QuotaDecision, at: Timestamp) -> Self {
        Self {
            prefix: AUTH_FAILURES,
            degraded: false,
            decision,
            at,
        }
    }

    /// Each limit with its use.
    pub(crate) fn windows(&self) -> &[QuotaWindow] {
        &self.decision.windows
    }

    /// True if this process counts alone although the processes are configured to count together.
    pub(crate) fn is_degraded(&self) -> bool {
        self.degraded
    }

    /// The name of a limit, as in `RateLimit-Policy`: prefix, window, and a mark if degraded.
    pub(crate) fn name(&self, window: &QuotaWindow) -> String {
        let mark = if self.degraded { "-degraded" } else { "" };
        format!("{}-{}{mark}", self.prefix, window.quota.window_name())
    }

    /// The time at which the window allows more requests.
    pub(crate) fn resets_at(&self, window: &QuotaWindow) -> Timestamp {
        fields::resets_at(self.at, window.reset)
    }

    /// The error of a request that exceeds a limit.
    fn error(&self) -> Option<ApiError> {
        (!self.decision.allowed).then(|| self.exceeded(1))
    }

    /// The error of `count` requests that do not all fit.
    fn exceeded(&self, count: u32) -> ApiError {
        let tightest = self.decision.tightest();
        let full = self
            .windows()
            .iter()
            .filter(|window| window.remaining() < count);
        ApiError::rate_limited(Exceeded {
            violated: full.map(|window| self.name(window)).collect(),
            policy: tightest.map_or_else(String::new, |window| self.name(window)),
            limit: tightest.map_or_else(String::new, |window| window.quota.to_string()),
            seconds: whole_seconds(self.decision.retry_after_for(count)).max(1),
        })
    }
}
