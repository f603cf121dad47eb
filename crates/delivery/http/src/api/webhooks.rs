//! Webhooks: creating, reading, changing and deleting them. What is done with their deliveries is in
//! `deliveries`, their dead letters are in `dead_letters`.

pub(crate) mod dead_letters;
pub(crate) mod deliveries;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use posthorn_application::WebhookView;

use crate::api::put_response::put_response;
use crate::request::audit::{AuditAction, AuditEvent, AuditOutcome};
use crate::request::{body, path};
use crate::state::AppState;
use crate::wire::precondition::{self, entity_tag};
use crate::wire::problem::ApiError;
use crate::wire::responses::{AccessFailures, Failures, WebhookChangeFailures, WebhookFailures};
use crate::wire::webhook::{RotateBody, UrlRules, WebhookBody, WebhookResponse, WebhooksResponse};

/// Lists the webhooks of a topic, each with its state and counts.
#[utoipa::path(get, path = "/api/v1/topics/{topic}/webhooks", tag = "webhooks",
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")),
    responses((status = 200, body = WebhooksResponse), WebhookFailures, AccessFailures, Failures))]
pub(crate) async fn list_webhooks(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let topic = path::existing_topic(&request)?;
    let webhooks = state.services.webhooks.list(&topic).await?;
    Ok(HttpResponse::Ok().json(WebhooksResponse {
        webhooks: webhooks.iter().map(WebhookResponse::from).collect(),
    }))
}

/// Creates a webhook, or replaces its settings; what is absent gets its default, but the secret stays.
/// The secret that a new webhook gets is only in this response.
#[utoipa::path(put, path = "/api/v1/topics/{topic}/webhooks/{webhook}", tag = "webhooks",
    request_body(content = WebhookBody, description = "The settings"),
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("webhook" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("If-Match" = Option<String>, Header, description = "Tags of settings that are to be replaced"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only create")),
    responses((status = 200, body = WebhookResponse, description = "The settings are replaced",
            headers(("ETag" = String, description = "The version of the settings"))),
        (status = 201, body = WebhookResponse, description = "The webhook is created",
            headers(("ETag" = String, description = "The version of the settings"),
                ("Location" = String, description = "The URL of the webhook"))),
        WebhookFailures, WebhookChangeFailures, AccessFailures, Failures))]
pub(crate) async fn put_webhook(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let key = path::webhook(&request)?;
    let addresses = state.services.webhook_addresses.clone();
    let rules = UrlRules::new(state.settings.is_production, addresses);
    let precondition = precondition::of(request.headers());
    let parse = |bytes: &[u8]| WebhookBody::parse(bytes, &rules, precondition);
    let event = AuditEvent::start(&request, AuditAction::PutWebhook, key.to_string());
    let change = match body::parse_json(&request, payload, &state, parse).await {
        Ok(change) => change,
        Err(error) => {
            // A forbidden URL may be an attack, so that it is in the audit log.
            event.finish(AuditOutcome::Refused);
            return Err(error);
        }
    };
    let put = state.services.webhooks.put(&key, change).await;
    event.finish(AuditOutcome::of(&put));
    let put = put?;
    let tag = put.webhook.status.consumer.tag;
    let mut response = put_response(&state, &key, put.created, tag);
    Ok(response.json(WebhookResponse::with_secret(&put)))
}

/// Returns a webhook: its settings and the state of its messages. The secret is not shown, and the
/// values of headers are masked.
#[utoipa::path(get, path = "/api/v1/topics/{topic}/webhooks/{webhook}", tag = "webhooks",
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("webhook" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")),
    responses((status = 200, body = WebhookResponse,
            headers(("ETag" = String, description = "The version of the settings"))),
        WebhookFailures, AccessFailures, Failures))]
pub(crate) async fn get_webhook(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let key = path::webhook(&request)?;
    let webhook = state.services.webhooks.get(&key).await?;
    Ok(resource(&webhook))
}

/// Deletes a webhook with its dead letters. Attempts under way end, and their messages are not sent
/// again.
#[utoipa::path(delete, path = "/api/v1/topics/{topic}/webhooks/{webhook}", tag = "webhooks",
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("webhook" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("If-Match" = Option<String>, Header, description = "Tags of settings")),
    responses((status = 204, description = "The webhook is deleted"),
        WebhookFailures, WebhookChangeFailures, AccessFailures, Failures))]
pub(crate) async fn delete_webhook(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let key = path::webhook(&request)?;
    let precondition = precondition::of(request.headers());
    let event = AuditEvent::start(&request, AuditAction::DeleteWebhook, key.to_string());
    let deleted = state.services.webhooks.delete(&key, &precondition).await;
    event.finish(AuditOutcome::of(&deleted));
    deleted?;
    Ok(HttpResponse::NoContent().finish())
}

/// Replaces the secret by a new one, which only this response shows. Until the grace is over, the old
/// one signs too.
#[utoipa::path(post, path = "/api/v1/topics/{topic}/webhooks/{webhook}/rotate-secret", tag = "webhooks",
    request_body(content = RotateBody, description = "The grace; a day when absent"),
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("webhook" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("If-Match" = Option<String>, Header, description = "Tags of settings")),
    responses((status = 200, body = WebhookResponse, description = "With the new `secret`",
            headers(("ETag" = String, description = "The version of the settings"))),
        WebhookFailures, WebhookChangeFailures, AccessFailures, Failures))]
pub(crate) async fn rotate_secret(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let key = path::webhook(&request)?;
    let grace = body::parse_json(&request, payload, &state, RotateBody::parse).await?;
    let precondition = precondition::of(request.headers());
    let event = AuditEvent::start(&request, AuditAction::RotateWebhookSecret, key.to_string());
    let service = &state.services.webhooks;
    let rotated = service.rotate_secret(&key, grace, &precondition).await;
    event.finish(AuditOutcome::of(&rotated));
    let rotated = rotated?;
    let tag = entity_tag(rotated.webhook.status.consumer.tag);
    Ok(HttpResponse::Ok()
        .insert_header((header::ETAG, tag))
        .json(WebhookResponse::with_secret(&rotated)))
}

fn resource(webhook: &WebhookView) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::ETAG, entity_tag(webhook.status.consumer.tag)))
        .json(WebhookResponse::from(webhook))
}
