//! Accepting a message.

use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::{HttpRequest, HttpResponse, web};
use posthorn_application::SendMessage;
use posthorn_domain::{IdempotencyKey, Topic};

use crate::middleware::authorization;
use crate::request::{body, context, grant, path};
use crate::state::AppState;
use crate::wire::message::{IncomingMessage, MessageBody};
use crate::wire::problem::{ApiError, Code, FieldCode, FieldProblem};
use crate::wire::receipt::{ReceiptResponse, receipt_response};
use crate::wire::responses::{AcceptFailures, AccessFailures, Failures};

static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
static IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Accepts a message, to the topic in the body.
#[utoipa::path(post, path = "/api/v1/message", tag = "messages", request_body = MessageBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Identifies retries of a request",
        min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    responses((status = 201, body = ReceiptResponse<'static>, description = "The message is stored",
        headers(("Location" = String, description = "The URL of the message"),
            ("Idempotency-Replayed" = Option<String>, description = "`true` if the message was stored by an earlier request"))),
        AcceptFailures, AccessFailures, Failures))]
pub(crate) async fn accept(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    receive(&request, payload, &state, None).await
}

/// Accepts a message, to the topic of the path.
#[utoipa::path(post, path = "/api/v1/topics/{topic}/messages", tag = "messages",
    request_body = MessageBody,
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("Idempotency-Key" = Option<String>, Header, description = "Identifies retries of a request",
        min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    responses((status = 201, body = ReceiptResponse<'static>, description = "The message is stored",
        headers(("Location" = String, description = "The URL of the message"),
            ("Idempotency-Replayed" = Option<String>, description = "`true` if the message was stored by an earlier request"))),
        AcceptFailures, AccessFailures, Failures))]
pub(crate) async fn accept_to_topic(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let topic = path::topic(&request);
    let topic = topic.ok_or_else(|| FieldProblem::new("topic", FieldCode::TopicPattern));
    receive(&request, payload, &state, Some(topic)).await
}

/// Accepts a message; `path_topic` is the topic of the path, if it has one.
async fn receive(
    request: &HttpRequest,
    payload: web::Payload,
    state: &AppState,
    path_topic: Option<Result<Topic, FieldProblem>>,
) -> Result<HttpResponse, ApiError> {
    let sent = async {
        if !body::is_json(request.headers()) {
            return Err(ApiError::new(Code::UnsupportedMediaType));
        }
        let bytes = body::read(request, payload, state.settings.max_body_bytes).await?;
        let message = parse(request.headers(), &bytes, state, path_topic)?;
        // Authorization did not know the topic if only the body names it.
        let permitted = grant::of(request).check_topic(&message.topic);
        permitted.map_err(|refusal| authorization::reject(state, refusal).error)?;
        let text = message.content.clone();
        let appended = state.services.messages.send(message).await?;
        Ok((text, appended))
    };
    let (text, appended) = sent.await.inspect_err(|error: &ApiError| {
        let metrics = &state.services.request_metrics;
        metrics.message_rejected(error.code.as_str());
    })?;
    let locale = context::of(request).locale;
    let mut response = HttpResponse::Created();
    let receipt = &appended.receipt;
    let (topic, id) = (receipt.topic.as_str(), receipt.id.to_string());
    let location = ["/api/v1/topics/", topic, "/messages/", &id].concat();
    response.insert_header((header::LOCATION, location));
    if appended.replayed {
        response.insert_header((IDEMPOTENCY_REPLAYED.clone(), "true"));
    }
    Ok(response.json(receipt_response(receipt, id, text.as_str(), locale)))
}

/// Parses head and body into a message, or returns the problems of both.
fn parse(
    headers: &HeaderMap,
    bytes: &[u8],
    state: &AppState,
    path_topic: Option<Result<Topic, FieldProblem>>,
) -> Result<SendMessage, ApiError> {
    let mut problems = Vec::new();
    let key = idempotency_key(headers).unwrap_or_else(|problem| {
        problems.push(problem);
        None
    });
    let path_topic = path_topic.and_then(|topic| topic.map_err(|p| problems.push(p)).ok());
    let rules = state.settings.content_rules();
    let body = IncomingMessage::parse(bytes, &rules, path_topic.as_ref(), problems)?;
    Ok(SendMessage {
        topic: path_topic.or(body.topic).unwrap_or_else(Topic::inbox),
        content: body.content,
        attributes: body.attributes,
        idempotency_key: key,
    })
}

/// The idempotency key of the request; two headers are a problem.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, FieldProblem> {
    let problem = || FieldProblem::new("Idempotency-Key", FieldCode::IdempotencyKey);
    let mut values = headers.get_all(&IDEMPOTENCY_KEY);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(problem());
    }
    let text = value.to_str().map_err(|_| problem())?;
    IdempotencyKey::parse(text).map(Some).map_err(|_| problem())
}
