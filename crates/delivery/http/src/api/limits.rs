//! What a caller may still do.

use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::future::try_join_all;
use posthorn_application::{Caller, QuotaScope, RateLimiter};
use serde::Serialize;
use utoipa::ToSchema;

use crate::middleware::rate_limit::Decided;
use crate::request::caller;
use crate::route;
use crate::state::State;
use crate::wire::problem::{ApiError, Code};
use crate::wire::rate_limit_fields;
use crate::wire::responses::Failures;
use crate::wire::time::rfc3339;

/// The limits of the caller.
#[derive(Serialize, ToSchema)]
pub(crate) struct LimitsAnswer {
    /// Whether requests are counted at all.
    enabled: bool,
    /// Whether the caller has no limits.
    exempt: bool,
    /// As whom the caller is counted: `sub:` and the subject of its token, its IPv4 address, or its
    /// IPv6 network.
    #[schema(example = "192.0.2.1")]
    client: String,
    /// How windows lie in time.
    #[schema(pattern = "^(fixed-window|moving-window)$")]
    strategy: Option<&'static str>,
    /// Whether this process counts alone although all of them are meant to count together.
    degraded: bool,
    /// Each limit of each group of routes that are counted together.
    limits: Vec<LimitAnswer>,
}

/// One limit and its use.
#[derive(Serialize, ToSchema)]
pub(crate) struct LimitAnswer {
    /// Its name, as in `RateLimit-Policy`.
    #[schema(example = "message-per-minute")]
    name: String,
    /// The requests that are counted together.
    #[schema(example = json!(["POST /api/v1/message", "POST /api/v1/topics/{topic}/messages"]))]
    routes: Vec<String>,
    /// How many of them the window takes.
    #[schema(minimum = 1)]
    limit: u32,
    /// The window's length.
    #[schema(minimum = 1)]
    window_seconds: u32,
    /// How many the window holds now.
    used: u32,
    /// How many fit now.
    remaining: u32,
    /// In how many seconds there is more room.
    reset_seconds: u64,
    /// When that is.
    #[schema(format = "date-time")]
    resets_at: String,
}

/// Says what the caller may still do; counts nothing.
#[utoipa::path(get, path = "/api/v1/limits", tag = "service",
    responses((status = 200, body = LimitsAnswer), Failures))]
pub(crate) async fn limits(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let subject = caller::authenticated_subject(&request);
    let caller = caller::of(&request, subject.as_ref());
    let rate_limiter = state.services.rate_limiter.as_deref();
    let mut answer = LimitsAnswer {
        enabled: rate_limiter.is_some(),
        exempt: rate_limiter.is_some_and(|rate_limiter| rate_limiter.is_exempt(caller.address)),
        client: caller.client().to_string(),
        strategy: None,
        degraded: false,
        limits: Vec::new(),
    };
    if let Some(rate_limiter) = rate_limiter {
        let counted = route::quota_scopes();
        // At once: with Redis each look is a round trip.
        let looks = counted
            .iter()
            .map(|(scope, _)| look(rate_limiter, *scope, caller, &state));
        let looks = try_join_all(looks).await?;
        for ((scope, routes), seen) in counted.iter().zip(looks) {
            let Some(seen) = seen else {
                break;
            };
            answer.strategy = Some(rate_limiter.rule(scope.class).strategy().as_str());
            answer.degraded |= seen.is_degraded();
            answer.limits.extend(rows(&seen, routes));
        }
    }
    Ok(HttpResponse::Ok().json(answer))
}

async fn look(
    rate_limiter: &RateLimiter,
    scope: QuotaScope,
    caller: Caller<'_>,
    state: &State,
) -> Result<Option<Decided>, ApiError> {
    let at = state.services.clock.now();
    let seen = rate_limiter.peek(scope, caller).await.map_err(|error| {
        tracing::error!(%error, "limits cannot be looked at");
        ApiError::new(Code::Internal)
    })?;
    Ok(seen.map(|seen| Decided::new(seen, at)))
}

fn rows(seen: &Decided, routes: &[String]) -> Vec<LimitAnswer> {
    let row = |window: &posthorn_application::QuotaWindow| LimitAnswer {
        name: seen.name(window),
        routes: routes.to_vec(),
        limit: window.quota.count(),
        window_seconds: window.quota.window_seconds(),
        used: window.used,
        remaining: window.remaining(),
        reset_seconds: rate_limit_fields::whole_seconds(window.reset),
        resets_at: rfc3339(seen.resets_at(window)),
    };
    seen.windows().iter().map(row).collect()
}
