//! Component health, and the three probes.

use actix_web::{HttpRequest, HttpResponse, web};
use posthorn_application::{CheckOutcome, HealthReport, HealthStatus, NotReady};
use serde::Serialize;
use utoipa::ToSchema;

use crate::request::context::{self, LoggedError};
use crate::state::AppState;
use crate::wire::problem::{ApiError, Code, Problem};
use crate::wire::responses::{RequestFailures, UncountedFailures};
use crate::wire::time::rfc3339;

/// The health of the service and its components.
#[derive(Serialize, ToSchema)]
pub(crate) struct HealthResponse {
    status: Status,
    /// The time of the checks.
    #[schema(format = "date-time")]
    timestamp: String,
    /// The version of the application.
    version: String,
    checks: Checks,
}

/// The status of the service: `degraded` if a component fails and messages are accepted all the same,
/// `unhealthy` if they are not.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    Healthy,
    Degraded,
    Unhealthy,
}

/// The check of each component.
#[derive(Serialize, ToSchema)]
pub(crate) struct Checks {
    /// The Redis of the cache and the quotas.
    redis: Check,
    /// The cache, with its in-memory fallback.
    cache: Check,
    /// The message store.
    store: Check,
}

/// The result of a check.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Check {
    Ok,
    NotConfigured,
    Error,
}

/// Checks every component that the service depends on.
#[utoipa::path(get, path = "/api/v1/health", tag = "service", responses(
    (status = 200, body = HealthResponse, description = "Every configured component works"),
    (status = 503, description = "A configured component fails; `status` shows whether messages are \
        accepted. A problem document if the server is overloaded",
        content((HealthResponse = "application/json"), (Problem = "application/problem+json"))),
    RequestFailures, UncountedFailures))]
pub(crate) async fn health(request: HttpRequest, state: web::Data<AppState>) -> HttpResponse {
    let report = state.services.health.report().await;
    let checks = Checks::from(&report);
    let failing = checks.failing();
    let mut response = if failing.is_empty() {
        HttpResponse::Ok()
    } else {
        let cause = format!("failing: {}", failing.join(", "));
        let _ = context::of(&request).error.set(LoggedError {
            code: None,
            cause: Some(Box::new(cause.into())),
        });
        let mut response = HttpResponse::ServiceUnavailable();
        response.insert_header(("Retry-After", "1"));
        response
    };
    response.json(HealthResponse {
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

/// Liveness: the process runs. Checks no dependency.
pub(crate) async fn live() -> HttpResponse {
    success()
}

/// Readiness: the instance accepts traffic.
pub(crate) async fn ready(state: web::Data<AppState>) -> Result<HttpResponse, ApiError> {
    probe(state.services.health.check_readiness().await)
}

/// Startup: the start is complete.
pub(crate) async fn startup(state: web::Data<AppState>) -> Result<HttpResponse, ApiError> {
    let is_started = state.services.health.is_started();
    probe(is_started.then_some(()).ok_or(NotReady::Starting))
}

fn probe(outcome: Result<(), NotReady>) -> Result<HttpResponse, ApiError> {
    let failed = |reason: NotReady| ApiError::caused_by(Code::NotReady, reason.to_string());
    outcome.map(|()| success()).map_err(failed)
}

fn success() -> HttpResponse {
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

impl Checks {
    /// The names of the components that fail.
    fn failing(&self) -> Vec<&'static str> {
        let checks = [
            ("redis", self.redis),
            ("cache", self.cache),
            ("store", self.store),
        ];
        let failing = checks
            .into_iter()
            .filter(|(_, check)| *check == Check::Error);
        failing.map(|(name, _)| name).collect()
    }
}
