//! Health and the three probes.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use posthorn_application::{CheckOutcome, HealthReport, HealthStatus};
use serde::Serialize;
use utoipa::ToSchema;

use crate::state::State;
use crate::wire::problem::{ApiError, Code, Problem};
use crate::wire::responses::HealthFailures;
use crate::wire::time::rfc3339;

/// How the service and its parts are.
#[derive(Serialize, ToSchema)]
pub(crate) struct HealthAnswer {
    status: Status,
    /// When this was looked at.
    #[schema(format = "date-time")]
    timestamp: String,
    /// The application's version.
    version: String,
    checks: Checks,
}

/// How the whole is: `degraded` when something does not work and messages are accepted all the
/// same, `unhealthy` when they are not.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    Healthy,
    Degraded,
    Unhealthy,
}

/// How each part is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Checks {
    /// The shared Redis of cache and quotas.
    redis: Check,
    /// The cache as requests see it, its stand-in included.
    cache: Check,
    /// The message store.
    store: Check,
}

/// How one part is.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Check {
    Ok,
    NotConfigured,
    Error,
}

/// Looks at everything the service depends on.
#[utoipa::path(get, path = "/api/v1/health", tag = "service", responses(
    (status = 200, body = HealthAnswer, description = "Every configured part works"),
    (status = 503, description = "A configured part does not work; `status` says whether messages \
        are accepted. A problem document when the server is overloaded",
        content((HealthAnswer = "application/json"), (Problem = "application/problem+json"))),
    HealthFailures))]
pub(crate) async fn health(state: web::Data<State>) -> HttpResponse {
    let report = state.services.health.report().await;
    let checks = Checks::from(&report);
    let failing = [checks.redis, checks.cache, checks.store].contains(&Check::Error);
    let status = if failing {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    let mut answer = HttpResponse::build(status);
    if failing {
        answer.insert_header(("Retry-After", "1"));
    }
    answer.json(HealthAnswer {
        status: match report.status {
            HealthStatus::Healthy => Status::Healthy,
            HealthStatus::Degraded => Status::Degraded,
            HealthStatus::Unhealthy => Status::Unhealthy,
        },
        timestamp: rfc3339(report.timestamp),
        version: state.services.info.identity().version.to_string(),
        checks,
    })
}

/// The process runs; it looks at no dependency.
pub(crate) async fn live() -> HttpResponse {
    probe()
}

/// Traffic should come here.
pub(crate) async fn ready(state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    answer(state.services.health.is_ready().await)
}

/// The start is over.
pub(crate) async fn startup(state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    answer(state.services.health.is_started())
}

fn answer(is_fine: bool) -> Result<HttpResponse, ApiError> {
    if is_fine {
        Ok(probe())
    } else {
        Err(ApiError::new(Code::NotReady))
    }
}

fn probe() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(r#"{"status":"ok"}"#)
}

impl From<&HealthReport> for Checks {
    fn from(report: &HealthReport) -> Self {
        let check = |name| match report.check(name) {
            Some(CheckOutcome::Ok) => Check::Ok,
            Some(CheckOutcome::Error) => Check::Error,
            None => Check::NotConfigured,
        };
        Self {
            redis: check("redis"),
            cache: check("cache"),
            store: check("store"),
        }
    }
}
