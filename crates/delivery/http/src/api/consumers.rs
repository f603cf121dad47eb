//! Consumers: creating, reading, moving and deleting them. Their leases are in `leases`, their dead
//! letters in `dead_letters`.

mod call;
pub(crate) mod dead_letters;
pub(crate) mod leases;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use posthorn_application::{ConsumerError, ConsumerStatus};
use posthorn_domain::ConsumerKind;

use crate::api::put_response::put_response;
use crate::request::audit::{AuditAction, AuditEvent, AuditOutcome};
use crate::request::path;
use crate::state::AppState;
use crate::wire::consumer::{ConsumerBody, ConsumerResponse, ConsumersResponse, SeekBody};
use crate::wire::precondition::{self, entity_tag};
use crate::wire::problem::{ApiError, FieldCode};
use crate::wire::responses::{AccessFailures, ConsumerChangeFailures, ConsumerFailures, Failures};

/// Lists the consumers of a topic, each with its counts.
#[utoipa::path(get, path = "/api/v1/topics/{topic}/consumers", tag = "consumers",
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")),
    responses((status = 200, body = ConsumersResponse), ConsumerFailures, AccessFailures, Failures))]
pub(crate) async fn list_consumers(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let topic = path::existing_topic(&request)?;
    let service = &state.services.consumers;
    let consumers = service.list(&topic, ConsumerKind::Consumer).await?;
    Ok(HttpResponse::Ok().json(ConsumersResponse {
        consumers: consumers.iter().map(ConsumerResponse::from).collect(),
    }))
}

/// Creates a consumer, or replaces its settings. An absent setting gets its default.
#[utoipa::path(put, path = "/api/v1/topics/{topic}/consumers/{consumer}", tag = "consumers",
    request_body(content = ConsumerBody, description = "The settings; the defaults when absent"),
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("consumer" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("If-Match" = Option<String>, Header, description = "Tags of settings that are to be replaced"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only create")),
    responses((status = 200, body = ConsumerResponse, description = "The settings are replaced",
            headers(("ETag" = String, description = "The version of the settings"))),
        (status = 201, body = ConsumerResponse, description = "The consumer is created",
            headers(("ETag" = String, description = "The version of the settings"),
                ("Location" = String, description = "The URL of the consumer"))),
        ConsumerFailures, ConsumerChangeFailures, AccessFailures, Failures))]
pub(crate) async fn put_consumer(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let (key, body) = call::read(&request, payload, &state, ConsumerBody::parse).await?;
    let (settings, start) = body;
    let precondition = precondition::of(request.headers());
    let service = &state.services.consumers;
    let put = service.put(&key, settings, start, precondition).await?;
    let mut response = put_response(&state, &key, put.created, put.status.tag);
    Ok(response.json(ConsumerResponse::from(&put.status)))
}

/// Returns a consumer: its settings and the state of its messages.
#[utoipa::path(get, path = "/api/v1/topics/{topic}/consumers/{consumer}", tag = "consumers",
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("consumer" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")),
    responses((status = 200, body = ConsumerResponse,
            headers(("ETag" = String, description = "The version of the settings"))),
        ConsumerFailures, AccessFailures, Failures))]
pub(crate) async fn get_consumer(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let key = path::consumer(&request)?;
    let status = state.services.consumers.get(&key).await?;
    Ok(resource(&status))
}

/// Deletes a consumer with its leases and dead letters.
#[utoipa::path(delete, path = "/api/v1/topics/{topic}/consumers/{consumer}", tag = "consumers",
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("consumer" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("If-Match" = Option<String>, Header, description = "Tags of settings")),
    responses((status = 204, description = "The consumer is deleted"),
        ConsumerFailures, ConsumerChangeFailures, AccessFailures, Failures))]
pub(crate) async fn delete_consumer(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let key = path::consumer(&request)?;
    let precondition = precondition::of(request.headers());
    let event = AuditEvent::start(&request, AuditAction::DeleteConsumer, key.to_string());
    let deleted = state.services.consumers.delete(&key, &precondition).await;
    event.finish(AuditOutcome::of(&deleted));
    deleted?;
    Ok(HttpResponse::NoContent().finish())
}

/// Moves a consumer: the messages after the position are delivered, with attempts from 1. Leases become
/// stale, dead letters stay.
#[utoipa::path(post, path = "/api/v1/topics/{topic}/consumers/{consumer}/seek", tag = "consumers",
    request_body = SeekBody,
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("consumer" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")),
    responses((status = 200, body = ConsumerResponse,
            headers(("ETag" = String, description = "The version of the settings"))),
        ConsumerFailures, AccessFailures, Failures))]
pub(crate) async fn seek(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let (key, to) = call::read(&request, payload, &state, SeekBody::parse).await?;
    let event = AuditEvent::start(&request, AuditAction::SeekConsumer, key.to_string());
    let sought = state.services.consumers.seek(&key, to).await;
    event.finish(AuditOutcome::of(&sought));
    let status = sought.map_err(|error| match error {
        ConsumerError::PositionAhead => ApiError::member("to", FieldCode::PositionAhead),
        error => error.into(),
    })?;
    Ok(resource(&status))
}

fn resource(status: &ConsumerStatus) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::ETAG, entity_tag(status.tag)))
        .json(ConsumerResponse::from(status))
}
