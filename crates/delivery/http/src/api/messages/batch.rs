//! Accepting a batch of messages: all of them or none.

use actix_web::{HttpRequest, HttpResponse, web};
use posthorn_application::SendBatch;
use posthorn_domain::{MessageContent, Topic};

use crate::middleware::rate_limit;
use crate::request::{body, context, grant, idempotency_key, message_format, path};
use crate::route::TOPIC_BATCH;
use crate::state::AppState;
use crate::state::concurrency_limit::Permit;
use crate::state::metrics::Shed;
use crate::wire::language::insert_language;
use crate::wire::message::MessageBody;
use crate::wire::message::batch;
use crate::wire::problem::{ApiError, Code, FieldCode, FieldProblem};
use crate::wire::query::Query;
use crate::wire::receipt::{IDEMPOTENCY_REPLAYED, ReceiptsResponse, receipt_response};
use crate::wire::responses::{AcceptFailures, AccessFailures, Failures};

/// Accepts 1 to 1,000 messages to one topic: all of them are stored, in their order, or none.
#[utoipa::path(post, path = "/api/v1/topics/{topic}/messages/batch", tag = "messages",
    request_body(content(
        (Vec<MessageBody> = "application/json"),
        (String = "application/x-ndjson"),
        (Vec<serde_json::Value> = "application/cloudevents-batch+json"))),
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("Idempotency-Key" = Option<String>, Header, description = "Identifies retries of the batch as a whole",
        min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    responses((status = 201, body = ReceiptsResponse<'static>, description = "The messages are stored",
        headers(("Idempotency-Replayed" = Option<String>, description = "`true` if the messages were stored by an earlier request"))),
        AcceptFailures, AccessFailures, Failures))]
pub(crate) async fn accept_batch(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let outcome = receive(&request, payload, &state).await;
    outcome.inspect_err(|error| {
        let metrics = &state.services.request_metrics;
        metrics.message_rejected(error.code.as_str());
    })
}

async fn receive(
    request: &HttpRequest,
    payload: web::Payload,
    state: &AppState,
) -> Result<HttpResponse, ApiError> {
    // Step 1: read and parse. The quota is decided afterwards, because it counts the messages; a batch
    // that is rejected counts as one request.
    let parsed = parse(request, payload, state).await;
    let count = parsed.as_ref().map_or(1, |(send, _)| send.batch.len());
    // Step 2: count all messages, or reject the batch as a whole.
    let scope = TOPIC_BATCH.quota_scope(request.method());
    if let Some(scope) = scope {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        rate_limit::check_many(scope, state, request, count).await?;
    }
    // Step 3: store.
    let (send, _permit) = parsed?;
    let texts = send.batch.messages().iter();
    let texts: Vec<MessageContent> = texts.map(|message| message.content.clone()).collect();
    let appended = state.services.messages.send_batch(send).await?;
    let locale = context::of(request).locale;
    let receipts: Vec<_> = appended.receipts().collect();
    let mut response = HttpResponse::Created();
    if appended.replayed {
        response.insert_header((IDEMPOTENCY_REPLAYED.clone(), "true"));
    }
    insert_language(&mut response, locale);
    Ok(response.json(ReceiptsResponse {
        receipts: receipts
            .iter()
            .zip(&texts)
            .map(|(receipt, text)| {
                receipt_response(receipt, receipt.id.to_string(), text.as_str(), locale)
            })
            .collect(),
    }))
}

/// Reads and parses a batch, with a permit for its memory.
async fn parse(
    request: &HttpRequest,
    payload: web::Payload,
    state: &AppState,
) -> Result<(SendBatch, Permit), ApiError> {
    let format = message_format::of_batch(request.headers())?;
    let max = state.settings.max_batch_bytes;
    let bytes = body::read(request, payload, max).await;
    let bytes = bytes.map_err(|error| too_large(error, max))?;
    let permit = permit(state, bytes.len())?;
    if !request.query_string().is_empty() {
        Query::parse(request.query_string(), &[]).finish()?;
    }
    let mut problems = Vec::new();
    let key = idempotency_key::of(request.headers()).unwrap_or_else(|problem| {
        problems.push(problem);
        None
    });
    let topic = path::topic(request);
    if topic.is_none() {
        problems.push(FieldProblem::new("topic", FieldCode::TopicPattern));
    }
    let rules = state.settings.content_rules();
    let context = context::of(request);
    let traceparent = context.trace.parent.as_ref();
    let batch = batch::parse(
        format,
        &bytes,
        &rules,
        topic.as_ref(),
        traceparent,
        problems,
    )?;
    let grant = grant::of(request);
    let send = SendBatch {
        // With an invalid topic there is a problem, and so an error above.
        topic: topic.unwrap_or_else(Topic::inbox),
        batch,
        idempotency_key: key,
        sender: grant.claims().map(|claims| claims.subject.clone()),
    };
    Ok((send, permit))
}

/// Permits the memory of a batch. All batches together have no larger bodies than the requests in
/// flight may have.
fn permit(state: &AppState, bytes: usize) -> Result<Permit, ApiError> {
    let mut permit = state.batch_bytes.empty();
    if permit.grow(bytes, state.settings.max_bodies_bytes()) {
        return Ok(permit);
    }
    state.services.request_metrics.request_shed(Shed::BodyBytes);
    Err(ApiError::overloaded("the memory of batches"))
}

/// Names the limit in the error of a body that is too large.
fn too_large(error: ApiError, max: usize) -> ApiError {
    if error.code != Code::PayloadTooLarge {
        return error;
    }
    error.with_detail(
        format!("Пакет может занимать не больше {max} байт."),
        format!("A batch has at most {max} bytes."),
    )
}
