//! The rate limits of the caller and their use.

use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::future::try_join_all;
use posthorn_application::{Caller, QuotaScope, QuotaWindow, RateLimiter};
use serde::Serialize;
use utoipa::ToSchema;

use crate::middleware::rate_limit::outcome::RateLimitOutcome;
use crate::request::{caller, grant};
use crate::route;
use crate::state::AppState;
use crate::wire::problem::{ApiError, Code};
use crate::wire::responses::{RequestFailures, Unavailable, UncountedFailures};
use crate::wire::time::{rfc3339, whole_seconds};

/// The rate limits of the caller.
#[derive(Serialize, ToSchema)]
pub(crate) struct LimitsResponse {
    /// Whether requests are counted at all.
    enabled: bool,
    /// Whether the caller has no limits.
    exempt: bool,
    /// The client that the requests count for: `sub:` and the subject of the token, the IPv4 address,
    /// or the IPv6 network.
    #[schema(example = "192.0.2.1")]
    client: String,
    /// The strategy of the windows.
    #[schema(pattern = "^(fixed-window|moving-window)$")]
    strategy: Option<&'static str>,
    /// Whether this process counts alone although the processes are configured to count together.
    degraded: bool,
    /// Each limit of each group of routes that count together.
    limits: Vec<LimitResponse>,
}

/// A limit and its use.
#[derive(Serialize, ToSchema)]
pub(crate) struct LimitResponse {
    /// The name, as in `RateLimit-Policy`.
    #[schema(example = "message-per-minute")]
    name: String,
    /// The requests that count together.
    #[schema(example = json!(["POST /api/v1/message", "POST /api/v1/topics/{topic}/messages"]))]
    routes: Vec<String>,
    /// The number of requests in a window.
    #[schema(minimum = 1)]
    limit: u32,
    /// The length of the window in seconds.
    #[schema(minimum = 1)]
    window_seconds: u32,
    /// The number of requests that the window holds now.
    used: u32,
    /// The number of requests left in the window.
    remaining: u32,
    /// The time in seconds until there are more.
    reset_seconds: u64,
    /// The time at which there are more.
    #[schema(format = "date-time")]
    resets_at: String,
}

/// Returns the rate limits of the caller; does not count.
#[utoipa::path(get, path = "/api/v1/limits", tag = "service",
    responses((status = 200, body = LimitsResponse), RequestFailures, UncountedFailures,
        Unavailable))]
pub(crate) async fn limits(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let grant = grant::of(&request);
    let caller = caller::of(&request, &grant);
    let rate_limiter = state.services.rate_limiter.as_deref();
    let mut response = LimitsResponse {
        enabled: rate_limiter.is_some(),
        exempt: rate_limiter.is_some_and(|limiter| limiter.is_exempt(caller.address)),
        client: caller.client().to_string(),
        strategy: None,
        degraded: false,
        limits: Vec::new(),
    };
    if let Some(rate_limiter) = rate_limiter {
        let scopes = route::quota_scopes();
        // Concurrently: with Redis each one is a round trip.
        let outcomes = scopes
            .iter()
            .map(|(scope, _)| peek(rate_limiter, *scope, caller, &state));
        let outcomes = try_join_all(outcomes).await?;
        for ((scope, routes), outcome) in scopes.iter().zip(outcomes) {
            // An exempt caller has no limit in any scope.
            let Some(outcome) = outcome else {
                break;
            };
            response.strategy = Some(rate_limiter.rule(scope.class).strategy().as_str());
            response.degraded |= outcome.is_degraded();
            response.limits.extend(rows(&outcome, routes));
        }
    }
    Ok(HttpResponse::Ok().json(response))
}

async fn peek(
    rate_limiter: &RateLimiter,
    scope: QuotaScope,
    caller: Caller<'_>,
    state: &AppState,
) -> Result<Option<RateLimitOutcome>, ApiError> {
    let at = state.services.clock.now();
    let decision = rate_limiter.peek(scope, caller).await;
    let decision =
        decision.map_err(|error| ApiError::caused_by(Code::Internal, error.to_string()))?;
    Ok(decision.map(|decision| RateLimitOutcome::new(decision, at)))
}

fn rows(outcome: &RateLimitOutcome, routes: &[String]) -> Vec<LimitResponse> {
    let row = |window: &QuotaWindow| LimitResponse {
        name: outcome.name(window),
        routes: routes.to_vec(),
        limit: window.quota.count(),
        window_seconds: window.quota.window_seconds(),
        used: window.used,
        remaining: window.remaining(),
        reset_seconds: whole_seconds(window.reset),
        resets_at: rfc3339(outcome.resets_at(window)),
    };
    outcome.windows().iter().map(row).collect()
}
