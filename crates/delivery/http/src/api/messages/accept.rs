//! Accepting a message.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use posthorn_application::{Anchor, Appended, PageLimit, PageRequest, SendMessage};
use posthorn_domain::{MessageId, Receipt, Topic};

use super::submission::{self, FormResponse};
use crate::middleware::authorization;
use crate::request::message_format::MessageFormat;
use crate::request::{body, context, grant, idempotency_key, path};
use crate::state::AppState;
use crate::wire::language::insert_language;
use crate::wire::message::{FormBody, MessageBody};
use crate::wire::problem::{ApiError, FieldCode, FieldProblem};
use crate::wire::receipt::{IDEMPOTENCY_REPLAYED, ReceiptResponse, receipt_json, receipt_page};
use crate::wire::responses::{AcceptFailures, AccessFailures, Failures};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

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
///
/// With `text/plain`, or without `Content-Type`, each parameter `attribute.KEY=VALUE` of the URL is an attribute, such
/// as `?attribute.room=hall`. With the header `ce-specversion: 1.0` the request is a `CloudEvents` event in binary mode:
/// the headers `ce-id`, `ce-source` and `ce-type` are required, further ones with `ce-` are its other attributes, and
/// the body is its data. A form whose `Accept` names `text/html` is that of a browser: its errors are pages of
/// `text/html` with the same statuses.
#[utoipa::path(post, path = "/api/v1/topics/{topic}/messages", tag = "messages",
    request_body(content(
        (MessageBody = "application/json"),
        (String = "text/plain"),
        (FormBody = "application/x-www-form-urlencoded"),
        (FormBody = "multipart/form-data"),
        (HashMap<String, serde_json::Value> = "application/cloudevents+json"))),
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("Idempotency-Key" = Option<String>, Header, description = "Identifies retries of a request",
        min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    responses((status = 201, description = "The message is stored; the page is for a form that a browser submits",
        content((ReceiptResponse<'static> = "application/json"), (String = "text/html")),
        headers(("Location" = String, description = "The URL of the message"),
            ("Idempotency-Replayed" = Option<String>, description = "`true` if the message was stored by an earlier request"))),
        (status = 303, description = "The form of a browser is stored, and names the URL to continue at in `_next`",
            headers(("Location" = String, description = "The URL in `_next`"))),
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
    let metrics = &state.services.request_metrics;
    let sent = async {
        let format = submission::format(request, path_topic.is_some())?;
        let limit = state.settings.max_body_bytes;
        let bytes = body::read(request, payload, limit).await;
        let bytes = bytes.map_err(|error| format.broken(error))?;
        let (send, form_response) = parse(request, &format, bytes, state, path_topic).await?;
        // Authorization did not know the topic if only the body names it.
        let permitted = grant::of(request).check_topic(&send.topic);
        permitted.map_err(|refusal| authorization::reject(state, refusal).error)?;
        let text = send.content.clone();
        let appended = if form_response.is_trapped {
            metrics.message_trapped();
            unstored(state, send.topic).await?
        } else {
            state.services.messages.send(send).await?
        };
        Ok((text, appended, form_response))
    };
    let (text, appended, form_response) = sent
        .await
        .inspect_err(|error: &ApiError| metrics.message_rejected(error.code.as_str()))?;
    let mut response = HttpResponse::Created();
    if appended.replayed {
        response.insert_header((IDEMPOTENCY_REPLAYED.clone(), "true"));
    }
    let receipt = &appended.receipt;
    let (topic, id) = (receipt.topic.as_str(), receipt.id.to_string());
    let locale = context::of(request).locale;
    if let Some(url) = form_response.redirect {
        return Ok(response
            .status(StatusCode::SEE_OTHER)
            .insert_header((header::LOCATION, url))
            .finish());
    }
    let base = state.settings.public_url.base();
    let location = [base, "/api/v1/topics/", topic, "/messages/", &id].concat();
    response.insert_header((header::LOCATION, location));
    if form_response.for_browser {
        let prefix = state.settings.public_url.prefix();
        return receipt_page(response, prefix, &id, text.as_str(), locale);
    }
    insert_language(&mut response, locale);
    response.insert_header((header::CONTENT_TYPE, JSON));
    Ok(response.body(receipt_json(receipt, &id, text.as_str(), locale)))
}

/// Parses head and body into a message, or returns the problems of both.
async fn parse(
    request: &HttpRequest,
    format: &MessageFormat,
    bytes: web::Bytes,
    state: &AppState,
    path_topic: Option<Result<Topic, FieldProblem>>,
) -> Result<(SendMessage, FormResponse), ApiError> {
    let mut problems = Vec::new();
    let key = idempotency_key::of(request.headers()).unwrap_or_else(|problem| {
        problems.push(problem);
        None
    });
    let has_topic = path_topic.is_some();
    let path_topic = path_topic.and_then(|topic| topic.map_err(|p| problems.push(p)).ok());
    let (body, form_response) =
        submission::parse(request, format, bytes, state, path_topic.as_ref(), problems).await?;
    let claims = grant::of(request);
    let send = SendMessage {
        topic: path_topic.or(body.topic).unwrap_or_else(Topic::inbox),
        content: body.content,
        attributes: body.attributes,
        traceparent: body
            .traceparent
            .or_else(|| context::of(request).trace.parent.clone()),
        idempotency_key: key.or(body.event_key),
        sender: claims.claims().map(|claims| claims.subject.clone()),
    };
    if !has_topic {
        let _ = context::of(request).body_topic.set(send.topic.clone());
    }
    Ok((send, form_response))
}

/// The outcome for a program that filled the trap of a form: it looks like a stored message, whose sequence
/// number follows that of the newest message of the topic.
///
/// # Errors
/// The store cannot be read.
async fn unstored(state: &AppState, topic: Topic) -> Result<Appended, ApiError> {
    let services = &state.services;
    let processed_at = services.clock.now();
    let request = PageRequest {
        anchor: Anchor::Newest,
        limit: PageLimit::parse(1).unwrap_or(PageLimit::DEFAULT),
    };
    let page = services.messages.list(&topic, request).await?;
    let newest = page.messages.last();
    let sequence = newest.map_or(0, |newest| newest.id.sequence());
    Ok(Appended {
        receipt: Receipt {
            id: MessageId::new(processed_at, sequence.saturating_add(1)),
            topic,
            durability: services.messages.durability(),
            instance: services.info.identity().instance.clone(),
            processed_at,
        },
        replayed: false,
    })
}
