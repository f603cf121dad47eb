//! The dead letters of a consumer.

use actix_web::{HttpRequest, HttpResponse, web};
use posthorn_application::DeadLetterRequest;

use crate::middleware::audit::{AuditAction, AuditEvent, AuditOutcome};
use crate::request::{body, path};
use crate::state::AppState;
use crate::wire::consumer::{
    DeadLetterResponse, DeadLettersResponse, RedriveBody, RedriveResponse,
};
use crate::wire::links::insert_links;
use crate::wire::problem::{ApiError, Code};
use crate::wire::query::Query;
use crate::wire::responses::{AccessFailures, ConsumerFailures, Failures};

/// Returns a page of dead letters, in the order of their ids.
#[utoipa::path(get, path = "/api/v1/topics/{topic}/consumers/{consumer}/dead", tag = "consumers",
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("consumer" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("after" = Option<String>, Query, description = "Those after this id",
            min_length = 26, max_length = 26),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "50 when absent")),
    responses((status = 200, body = DeadLettersResponse<'static>),
        ConsumerFailures, AccessFailures, Failures))]
pub(crate) async fn list_dead_letters(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let key = path::consumer(&request)?;
    let mut query = Query::parse(request.query_string(), &["after", "limit"]);
    let (after, limit) = (query.id("after"), query.limit());
    query.finish()?;
    let request = DeadLetterRequest { after, limit };
    let page = state.services.consumers.dead_letters(&key, request).await?;
    let last = page.letters.last().filter(|_| page.has_more);
    let next = last.map(|letter| {
        let (topic, name, id) = (&key.topic, &key.name, letter.message.id);
        let limit = limit.get();
        format!("/api/v1/topics/{topic}/consumers/{name}/dead?after={id}&limit={limit}")
    });
    let mut response = HttpResponse::Ok();
    insert_links(&mut response, next.as_deref(), None);
    Ok(response.json(DeadLettersResponse {
        messages: page.letters.iter().map(DeadLetterResponse::from).collect(),
        next,
    }))
}

/// Makes dead letters wait again, with attempts from 1.
#[utoipa::path(post, path = "/api/v1/topics/{topic}/consumers/{consumer}/dead/redrive", tag = "consumers",
    request_body(content = RedriveBody, description = "Which; the first 200 when absent"),
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("consumer" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")),
    responses((status = 200, body = RedriveResponse), ConsumerFailures, AccessFailures, Failures))]
pub(crate) async fn redrive(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let key = path::consumer(&request)?;
    let bytes = body::read_json(&request, payload, state.settings.max_body_bytes).await?;
    let redrive = RedriveBody::parse(&bytes)?;
    let object = format!("{}/{}", key.topic, key.name);
    let event = AuditEvent::start(&request, AuditAction::RedriveDeadLetters, object);
    let redriven = state.services.consumers.redrive(&key, &redrive).await;
    event.finish(super::outcome(redriven.as_ref().err()));
    Ok(HttpResponse::Ok().json(RedriveResponse::from(redriven?)))
}

/// Deletes one dead letter.
#[utoipa::path(delete, path = "/api/v1/topics/{topic}/consumers/{consumer}/dead/{id}", tag = "consumers",
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("consumer" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("id" = String, Path, min_length = 26, max_length = 26)),
    responses((status = 204, description = "The dead letter is deleted"),
        ConsumerFailures, AccessFailures, Failures))]
pub(crate) async fn delete_dead_letter(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let (key, id) = (path::consumer(&request)?, path::message_id(&request)?);
    let object = format!("{}/{}/{id}", key.topic, key.name);
    let event = AuditEvent::start(&request, AuditAction::DeleteDeadLetter, object);
    let deleted = state.services.consumers.delete_dead_letter(&key, id).await;
    match deleted {
        Ok(true) => {
            event.finish(AuditOutcome::Done);
            Ok(HttpResponse::NoContent().finish())
        }
        Ok(false) => {
            event.finish(AuditOutcome::Absent);
            Err(ApiError::new(Code::NotFound))
        }
        Err(error) => {
            event.finish(super::outcome(Some(&error)));
            Err(error.into())
        }
    }
}
