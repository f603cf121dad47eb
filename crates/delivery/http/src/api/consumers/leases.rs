//! Pulling messages under leases, and settling them.

mod body;
mod wait;

use actix_web::{HttpRequest, HttpResponse, web};
use posthorn_application::{PullMessages, Pulled};
use posthorn_domain::{ConsumerKey, PullWait};
use posthorn_http1::ClientDisconnected;
use tokio::time::timeout;

use self::body::DeliveredBody;
use self::wait::WaitingPull;
use super::call;
use crate::state::AppState;
use crate::state::metrics::Shed;
use crate::wire::consumer::{
    ExtendBody, LeasedResponse, LeasesBody, NackBody, PullBody, PullResponse, SettledResponse,
};
use crate::wire::problem::{ApiError, Code};
use crate::wire::responses::{AccessFailures, ConsumerFailures, Failures};

/// Leases messages: first those that are due again, then new ones. With `wait_seconds` it waits for the
/// first one.
#[utoipa::path(post, path = "/api/v1/topics/{topic}/consumers/{consumer}/pull", tag = "consumers",
    request_body(content = PullBody, description = "The limits; the defaults when absent"),
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("consumer" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")),
    responses((status = 200, body = PullResponse<'static>, description = "Empty if nothing is due in time"),
        ConsumerFailures, AccessFailures, Failures))]
pub(crate) async fn pull(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    // The time limit of this route includes the longest wait. The body has to come without it.
    let call = call::read(&request, payload, &state, PullBody::parse);
    let Ok(call) = timeout(state.settings.request_timeout, call).await else {
        let metrics = &state.services.request_metrics;
        metrics.request_shed(Shed::RequestTimeout);
        return Err(ApiError::new(Code::RequestTimeout));
    };
    let (key, pull) = call?;
    let service = &state.services.consumers;
    let pulled = if pull.wait.get().is_zero() {
        Some(service.pull(&key, pull).await?)
    } else if let Some(waiting) = WaitingPull::start(&request, &state) {
        waiting.run(service.pull(&key, pull)).await.transpose()?
    } else {
        Some(pull_without_wait(&state, &key, pull).await?)
    };
    // Dropping the leases of a client that may be gone gives them back.
    let disconnected: Option<&ClientDisconnected> = request.conn_data();
    let is_gone = disconnected.is_some_and(ClientDisconnected::is_disconnected);
    let Some(pulled) = pulled.filter(|pulled| !is_gone && !pulled.messages.is_empty()) else {
        return Ok(HttpResponse::Ok().json(PullResponse {
            messages: Vec::new(),
        }));
    };
    let messages = pulled.messages.iter().map(LeasedResponse::from).collect();
    let json = serde_json::to_vec(&PullResponse { messages });
    let json = json.map_err(|error| ApiError::caused_by(Code::Internal, error.to_string()))?;
    let body = DeliveredBody::new(&request, json, pulled.guard);
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(body))
}

/// Pulls what is due at once while the maximum of streams are open.
///
/// # Errors
/// `overloaded` if nothing is due.
async fn pull_without_wait(
    state: &AppState,
    key: &ConsumerKey,
    pull: PullMessages,
) -> Result<Pulled, ApiError> {
    let wait = PullWait::default();
    let pull = PullMessages { wait, ..pull };
    let pulled = state.services.consumers.pull(key, pull).await?;
    if pulled.messages.is_empty() {
        state.services.request_metrics.request_shed(Shed::Streams);
        return Err(ApiError::overloaded("MAX_STREAMS"));
    }
    Ok(pulled)
}

/// Acknowledges leases: their messages are settled for good.
#[utoipa::path(post, path = "/api/v1/topics/{topic}/consumers/{consumer}/ack", tag = "consumers",
    request_body = LeasesBody,
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("consumer" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")),
    responses((status = 200, body = SettledResponse), ConsumerFailures, AccessFailures, Failures))]
pub(crate) async fn ack(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let (key, leases) = call::read(&request, payload, &state, LeasesBody::parse).await?;
    let settled = state.services.consumers.ack(&key, leases).await?;
    Ok(HttpResponse::Ok().json(SettledResponse::from(settled)))
}

/// Rejects leases: each message waits for its next attempt, or is dead after its last one.
#[utoipa::path(post, path = "/api/v1/topics/{topic}/consumers/{consumer}/nack", tag = "consumers",
    request_body = NackBody,
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("consumer" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")),
    responses((status = 200, body = SettledResponse), ConsumerFailures, AccessFailures, Failures))]
pub(crate) async fn nack(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let (key, nack) = call::read(&request, payload, &state, NackBody::parse).await?;
    let (leases, delay, reason) = nack;
    let service = &state.services.consumers;
    let settled = service.nack(&key, leases, delay, reason).await?;
    Ok(HttpResponse::Ok().json(SettledResponse::from(settled)))
}

/// Extends leases: their time starts again now.
#[utoipa::path(post, path = "/api/v1/topics/{topic}/consumers/{consumer}/extend", tag = "consumers",
    request_body = ExtendBody,
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("consumer" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")),
    responses((status = 200, body = SettledResponse), ConsumerFailures, AccessFailures, Failures))]
pub(crate) async fn extend(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let (key, extend) = call::read(&request, payload, &state, ExtendBody::parse).await?;
    let (leases, lease) = extend;
    let settled = state.services.consumers.extend(&key, leases, lease).await?;
    Ok(HttpResponse::Ok().json(SettledResponse::from(settled)))
}
