//! The deliveries of a webhook: its attempts, a test, enabling it, and sending settled messages again.

use actix_web::{HttpRequest, HttpResponse, web};

use super::resource;
use crate::request::audit::{AuditAction, AuditEvent, AuditOutcome};
use crate::request::{body, path};
use crate::state::AppState;
use crate::wire::problem::ApiError;
use crate::wire::responses::{AccessFailures, Failures, SigningFailures, WebhookFailures};
use crate::wire::webhook::{
    AttemptResponse, AttemptsResponse, ReplayBody, ReplayResponse, TestResponse, WebhookResponse,
};

/// Enables a webhook that was disabled, and restarts the count of days without a success.
#[utoipa::path(post, path = "/api/v1/topics/{topic}/webhooks/{webhook}/enable", tag = "webhooks",
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("webhook" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")),
    responses((status = 200, body = WebhookResponse,
            headers(("ETag" = String, description = "The version of the settings"))),
        WebhookFailures, AccessFailures, Failures))]
pub(crate) async fn enable(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let key = path::webhook(&request)?;
    body::require_no_fields(&request, payload, &state).await?;
    let event = AuditEvent::start(&request, AuditAction::EnableWebhook, key.to_string());
    let enabled = state.services.webhooks.enable(&key).await;
    event.finish(AuditOutcome::of(&enabled));
    Ok(resource(&enabled?))
}

/// Sends one signed request of the type `webhook.test`, which is no message, and returns its outcome.
/// It changes neither the state nor the attempts.
#[utoipa::path(post, path = "/api/v1/topics/{topic}/webhooks/{webhook}/test", tag = "webhooks",
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("webhook" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")),
    responses((status = 200, body = TestResponse),
        WebhookFailures, SigningFailures, AccessFailures, Failures))]
pub(crate) async fn test(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let key = path::webhook(&request)?;
    body::require_no_fields(&request, payload, &state).await?;
    let event = AuditEvent::start(&request, AuditAction::TestWebhook, key.to_string());
    let tested = state.services.webhooks.test(&key).await;
    event.finish(AuditOutcome::of(&tested));
    Ok(HttpResponse::Ok().json(TestResponse::from(tested?)))
}

/// Makes settled messages wait again, with attempts from 1. Messages that wait, are being sent or are
/// dead letters stay as they are.
#[utoipa::path(post, path = "/api/v1/topics/{topic}/webhooks/{webhook}/replay", tag = "webhooks",
    request_body = ReplayBody,
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("webhook" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")),
    responses((status = 202, body = ReplayResponse), WebhookFailures, AccessFailures, Failures))]
pub(crate) async fn replay(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let key = path::webhook(&request)?;
    let replay = body::parse_json(&request, payload, &state, ReplayBody::parse).await?;
    let event = AuditEvent::start(&request, AuditAction::ReplayWebhook, key.to_string());
    let replayed = state.services.webhooks.replay(&key, replay).await;
    event.finish(AuditOutcome::of(&replayed));
    Ok(HttpResponse::Accepted().json(ReplayResponse { queued: replayed? }))
}

/// Returns the last attempts of a webhook, the newest first.
#[utoipa::path(get, path = "/api/v1/topics/{topic}/webhooks/{webhook}/attempts", tag = "webhooks",
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("webhook" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")),
    responses((status = 200, body = AttemptsResponse), WebhookFailures, AccessFailures, Failures))]
pub(crate) async fn attempts(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let key = path::webhook(&request)?;
    let attempts = state.services.webhooks.attempts(&key).await?;
    Ok(HttpResponse::Ok().json(AttemptsResponse {
        attempts: attempts.iter().map(AttemptResponse::from).collect(),
    }))
}
