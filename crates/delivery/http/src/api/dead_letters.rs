//! The dead letters of a consumer or a webhook: what the handlers of both do.

use actix_web::{HttpRequest, HttpResponse, web};
use posthorn_application::DeadLetterRequest;
use posthorn_domain::{ConsumerKey, MessageId};

use crate::request::audit::{AuditAction, AuditEvent, AuditOutcome};
use crate::request::body;
use crate::request::path::consumer_path;
use crate::state::AppState;
use crate::wire::consumer::{
    DeadLetterResponse, DeadLettersResponse, RedriveBody, RedriveResponse,
};
use crate::wire::links::insert_links;
use crate::wire::problem::{ApiError, Missing};
use crate::wire::query::Query;

/// Returns a page of dead letters, in the order of their ids.
pub(super) async fn list(
    request: &HttpRequest,
    state: &AppState,
    key: &ConsumerKey,
) -> Result<HttpResponse, ApiError> {
    let mut query = Query::parse(request.query_string(), &["after", "limit"]);
    let (after, limit) = (query.id("after"), query.limit());
    query.finish()?;
    let request = DeadLetterRequest { after, limit };
    let page = state.services.consumers.dead_letters(key, request).await?;
    let last = page.last_id().filter(|_| page.has_more);
    let next = last.map(|id| {
        let path = consumer_path(key);
        let next = format!("{path}/dead?after={id}&limit={}", limit.get());
        state.settings.public_url.link(&next)
    });
    let mut response = HttpResponse::Ok();
    insert_links(&mut response, next.as_deref(), None);
    Ok(response.json(DeadLettersResponse {
        messages: page.letters.iter().map(DeadLetterResponse::from).collect(),
        unreadable: page.unreadable.iter().map(MessageId::to_string).collect(),
        next,
    }))
}

/// Makes dead letters wait again, with attempts from 1.
pub(super) async fn redrive(
    request: &HttpRequest,
    payload: web::Payload,
    state: &AppState,
    key: &ConsumerKey,
) -> Result<HttpResponse, ApiError> {
    let (redrive, sent) = body::parse_json(request, payload, state, RedriveBody::parse).await?;
    let event = AuditEvent::start(request, AuditAction::RedriveDeadLetters, key.to_string());
    let redriven = state.services.consumers.redrive(key, &redrive).await;
    event.finish(AuditOutcome::of(&redriven));
    Ok(HttpResponse::Ok().json(RedriveResponse::new(&redriven?, sent)))
}

/// Deletes one dead letter.
pub(super) async fn delete(
    request: &HttpRequest,
    state: &AppState,
    key: &ConsumerKey,
    id: MessageId,
) -> Result<HttpResponse, ApiError> {
    let object = format!("{key}/{id}");
    let event = AuditEvent::start(request, AuditAction::DeleteDeadLetter, object);
    let deleted = state.services.consumers.delete_dead_letter(key, id).await;
    match deleted {
        Ok(true) => {
            event.finish(AuditOutcome::Done);
            Ok(HttpResponse::NoContent().finish())
        }
        Ok(false) => {
            event.finish(AuditOutcome::Absent);
            Err(Missing::DeadLetter.into())
        }
        Err(error) => {
            event.finish(AuditOutcome::from(&error));
            Err(error.into())
        }
    }
}
