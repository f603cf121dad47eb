//! `info` and `ping`: who answers, and that it answers.

use actix_web::{HttpResponse, web};
use posthorn_application::InfoSnapshot;
use serde::Serialize;
use utoipa::ToSchema;

use crate::state::State;
use crate::wire::responses::Failures;
use crate::wire::time::rfc3339;

/// Who answers.
#[derive(Serialize, ToSchema)]
pub(crate) struct InfoAnswer {
    /// The application's name.
    name: String,
    /// Its version.
    version: String,
    /// Where it runs.
    #[schema(example = "production")]
    environment: String,
    /// The pod's or the host's name.
    pod_name: String,
    /// When this answer was made; it stands still while it is cached, for up to 300 s.
    #[schema(format = "date-time")]
    timestamp: String,
}

/// That it answers.
#[derive(Serialize, ToSchema)]
pub(crate) struct PingAnswer {
    /// Always `true`.
    pong: bool,
    /// Now.
    #[schema(format = "date-time")]
    timestamp: String,
}

/// Says who answers.
#[utoipa::path(get, path = "/api/v1/info", tag = "service",
    responses((status = 200, body = InfoAnswer), Failures))]
pub(crate) async fn info(state: web::Data<State>) -> HttpResponse {
    let InfoSnapshot {
        identity,
        timestamp,
    } = state.services.info.info().await;
    HttpResponse::Ok().json(InfoAnswer {
        name: identity.name.to_string(),
        version: identity.version.to_string(),
        environment: identity.environment.to_string(),
        pod_name: identity.instance.to_string(),
        timestamp: rfc3339(timestamp),
    })
}

/// Says that the service answers.
#[utoipa::path(get, path = "/api/v1/ping", tag = "service",
    responses((status = 200, body = PingAnswer), Failures))]
pub(crate) async fn ping(state: web::Data<State>) -> HttpResponse {
    let timestamp = rfc3339(state.services.clock.now());
    HttpResponse::Ok().json(PingAnswer {
        pong: true,
        timestamp,
    })
}
