//! Accepting a message.

use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::{HttpRequest, HttpResponse, web};
use posthorn_application::SendMessage;
use posthorn_domain::{IdempotencyKey, Topic};

use crate::middleware::authorization;
use crate::request::body;
use crate::request::context;
use crate::request::grant;
use crate::state::State;
use crate::wire::message::{IncomingMessage, MessageBody};
use crate::wire::problem::{ApiError, Code, FieldCode, FieldProblem};
use crate::wire::receipt::{ReceiptAnswer, receipt_answer};
use crate::wire::responses::{AcceptFailures, AccessFailures, Failures};

static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
static IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Accepts a message; the body may name its topic.
#[utoipa::path(post, path = "/api/v1/message", tag = "messages", request_body = MessageBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "By what a retry is recognised",
        min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    responses((status = 201, body = ReceiptAnswer<'static>, description = "The message is stored",
        headers(("Location" = String, description = "Where the message is"),
            ("Idempotency-Replayed" = Option<String>, description = "`true` when it was stored before"))),
        AcceptFailures, AccessFailures, Failures))]
pub(crate) async fn accept(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    receive(&request, payload, &state, None).await
}

/// Accepts a message to the topic of the path.
#[utoipa::path(post, path = "/api/v1/topics/{topic}/messages", tag = "messages",
    request_body = MessageBody,
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("Idempotency-Key" = Option<String>, Header, description = "By what a retry is recognised",
        min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    responses((status = 201, body = ReceiptAnswer<'static>, description = "The message is stored",
        headers(("Location" = String, description = "Where the message is"),
            ("Idempotency-Replayed" = Option<String>, description = "`true` when it was stored before"))),
        AcceptFailures, AccessFailures, Failures))]
pub(crate) async fn accept_to_topic(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let topic = request.match_info().query("topic");
    receive(&request, payload, &state, Some(topic)).await
}

async fn receive(
    request: &HttpRequest,
    payload: web::Payload,
    state: &State,
    path_topic: Option<&str>,
) -> Result<HttpResponse, ApiError> {
    let sent = async {
        if !body::is_json(request.headers()) {
            return Err(ApiError::new(Code::UnsupportedMediaType));
        }
        let bytes = body::read(request, payload, state.settings.max_body_bytes).await?;
        let send = parse(request.headers(), &bytes, state, path_topic)?;
        // The body may name the topic.
        let grant = grant::of(request);
        let permitted = grant.check_topic(&send.topic);
        permitted.map_err(|refusal| authorization::refuse(state, refusal).error)?;
        let text = send.content.clone();
        let appended = state.services.messages.send(send).await?;
        Ok((text, appended))
    };
    let (text, appended) = sent.await.inspect_err(|error: &ApiError| {
        state
            .services
            .request_metrics
            .message_rejected(error.code.as_str());
    })?;
    let locale = context::of(request).locale;
    let mut answer = HttpResponse::Created();
    let receipt = &appended.receipt;
    let (topic, id) = (receipt.topic.as_str(), receipt.id.to_string());
    let location = ["/api/v1/topics/", topic, "/messages/", &id].concat();
    answer.insert_header((header::LOCATION, location));
    if appended.replayed {
        answer.insert_header((IDEMPOTENCY_REPLAYED.clone(), "true"));
    }
    Ok(answer.json(receipt_answer(receipt, id, text.as_str(), locale)))
}

/// Every mistake of the head and of the body at once.
fn parse(
    headers: &HeaderMap,
    bytes: &[u8],
    state: &State,
    path_topic: Option<&str>,
) -> Result<SendMessage, ApiError> {
    let mut problems = Vec::new();
    let key = idempotency_key(headers).unwrap_or_else(|problem| {
        problems.push(problem);
        None
    });
    let path_topic = path_topic.map(Topic::parse).and_then(|topic| {
        if topic.is_err() {
            problems.push(FieldProblem::new("topic", FieldCode::TopicPattern));
        }
        topic.ok()
    });
    let rules = state.settings.content_rules();
    let body = IncomingMessage::parse(bytes, &rules, path_topic.as_ref(), problems)?;
    Ok(SendMessage {
        topic: path_topic.or(body.topic).unwrap_or_else(Topic::inbox),
        content: body.content,
        attributes: body.attributes,
        idempotency_key: key,
    })
}

/// The client's key, if it sent one; two of them are a mistake.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, FieldProblem> {
    let refused = || FieldProblem::new("Idempotency-Key", FieldCode::IdempotencyKey);
    let mut values = headers.get_all(&IDEMPOTENCY_KEY);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(refused());
    }
    let text = value.to_str().map_err(|_| refused())?;
    IdempotencyKey::parse(text).map(Some).map_err(|_| refused())
}
