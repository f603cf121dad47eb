//! Service information, and the ping.

use actix_web::{HttpResponse, web};
use posthorn_application::InfoSnapshot;
use serde::Serialize;
use utoipa::ToSchema;

use crate::state::AppState;
use crate::wire::responses::{RequestFailures, Unavailable, UncountedFailures};
use crate::wire::time::rfc3339;

/// Service information.
#[derive(Serialize, ToSchema)]
pub(crate) struct InfoResponse {
    /// The name of the application.
    name: String,
    /// The version of the application.
    version: String,
    /// The environment.
    #[schema(example = "production")]
    environment: String,
    /// The name of the pod or the host.
    pod_name: String,
    /// The time of this information; the same while it is cached, for up to 300 s.
    #[schema(format = "date-time")]
    timestamp: String,
}

/// The response to a ping.
#[derive(Serialize, ToSchema)]
pub(crate) struct PingResponse {
    /// Always `true`.
    pong: bool,
    /// The current time.
    #[schema(format = "date-time")]
    timestamp: String,
}

/// Returns the name, version and environment of the service.
#[utoipa::path(get, path = "/api/v1/info", tag = "service",
    responses((status = 200, body = InfoResponse), RequestFailures, UncountedFailures,
        Unavailable))]
pub(crate) async fn info(state: web::Data<AppState>) -> HttpResponse {
    let InfoSnapshot {
        identity,
        timestamp,
    } = state.services.info.info().await;
    HttpResponse::Ok().json(InfoResponse {
        name: identity.name.to_string(),
        version: identity.version.to_string(),
        environment: identity.environment.to_string(),
        pod_name: identity.instance.to_string(),
        timestamp: rfc3339(timestamp),
    })
}

/// Checks that the service responds.
#[utoipa::path(get, path = "/api/v1/ping", tag = "service",
    responses((status = 200, body = PingResponse), RequestFailures, UncountedFailures,
        Unavailable))]
pub(crate) async fn ping(state: web::Data<AppState>) -> HttpResponse {
    let timestamp = rfc3339(state.services.clock.now());
    HttpResponse::Ok().json(PingResponse {
        pong: true,
        timestamp,
    })
}
