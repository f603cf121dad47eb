//! The state of a message at the consumers and webhooks of its topic.

use actix_web::{HttpRequest, HttpResponse, web};
use posthorn_domain::ConsumerKind;

use crate::request::path;
use crate::state::AppState;
use crate::wire::delivery::{DeliveryResponse, MessageConsumersResponse, MessageWebhooksResponse};
use crate::wire::problem::{ApiError, Missing};
use crate::wire::responses::{AccessFailures, Failures, ReadFailures};

/// Returns the state of a message at each consumer of its topic. A dead letter keeps its state after its message
/// is gone.
#[utoipa::path(get, path = "/api/v1/topics/{topic}/messages/{id}/consumers", tag = "consumers",
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("id" = String, Path, min_length = 26, max_length = 26)),
    responses((status = 200, body = MessageConsumersResponse), ReadFailures, AccessFailures, Failures))]
pub(crate) async fn message_at_consumers(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let consumers = deliveries(&request, &state, ConsumerKind::Consumer).await?;
    Ok(HttpResponse::Ok().json(MessageConsumersResponse { consumers }))
}

/// Returns the state of a message at each webhook of its topic.
#[utoipa::path(get, path = "/api/v1/topics/{topic}/messages/{id}/webhooks", tag = "webhooks",
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("id" = String, Path, min_length = 26, max_length = 26)),
    responses((status = 200, body = MessageWebhooksResponse), ReadFailures, AccessFailures, Failures))]
pub(crate) async fn message_at_webhooks(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let webhooks = deliveries(&request, &state, ConsumerKind::Webhook).await?;
    Ok(HttpResponse::Ok().json(MessageWebhooksResponse { webhooks }))
}

async fn deliveries(
    request: &HttpRequest,
    state: &AppState,
    kind: ConsumerKind,
) -> Result<Vec<DeliveryResponse>, ApiError> {
    let (topic, id) = (path::existing_topic(request)?, path::message_id(request)?);
    let services = &state.services;
    let found = services.consumers.deliveries(&topic, kind, id).await?;
    // A consumer has a state for each message that the topic holds: only without consumers is that not known.
    if found.is_empty() && services.messages.get(&topic, id).await?.is_none() {
        return Err(Missing::Message.into());
    }
    Ok(found.iter().map(DeliveryResponse::from).collect())
}
