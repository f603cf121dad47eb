//! Reading messages: pages and single ones, and their deletion.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use posthorn_application::{Anchor, PageRequest};
use posthorn_domain::MessageId;
use serde::Serialize;
use utoipa::ToSchema;

use super::links::Links;
use crate::request::audit::{AuditAction, AuditEvent, AuditOutcome};
use crate::request::{path, since};
use crate::state::AppState;
use crate::wire::links::insert_links;
use crate::wire::message::stored::{MessageResponse, message_response};
use crate::wire::precondition::{Evaluated, evaluate};
use crate::wire::problem::{ApiError, Code, Missing};
use crate::wire::query::Query;
use crate::wire::responses::{AccessFailures, Failures, PreconditionFailures, ReadFailures};

/// A stored message never changes: clients may cache it without revalidation.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");

/// A page of messages.
#[derive(Serialize, ToSchema)]
pub(crate) struct PageResponse<'a> {
    /// The messages, in the requested order.
    messages: Vec<MessageResponse<'a>>,
    /// The ids of messages among them that are damaged and left out; absent if there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    unreadable: Vec<String>,
    /// The URL of the next page in that order: absolute if `PUBLIC_URL` is set, otherwise a path; `null` on the last page.
    next: Option<String>,
    /// The URL of the previous page in that order, in the same form; `null` on the first page.
    prev: Option<String>,
    /// Whether messages between `after` and this page are missing: retention has removed them, or the store never
    /// gave the id `after`, because it was lost or restored.
    truncated: bool,
}

/// Returns a page of a topic's messages.
#[utoipa::path(get, path = "/api/v1/topics/{topic}/messages", tag = "messages",
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("after" = Option<String>, Query, description = "The messages after this id; excludes `before`",
            pattern = "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$"),
        ("before" = Option<String>, Query, description = "The messages before this id",
            pattern = "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$"),
        ("since" = Option<String>, Query, description = "The messages accepted since this time (RFC 3339), or since a duration back: a number and `s`, `m`, `h` or `d`; excludes `after` and `before`"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "50 when absent"),
        ("order" = Option<String>, Query, pattern = "^(asc|desc)$",
            description = "Oldest first (`asc`, the default) or newest first (`desc`)")),
    responses((status = 200, body = PageResponse<'static>), ReadFailures, AccessFailures, Failures))]
pub(crate) async fn list_messages(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let topic = path::existing_topic(&request)?;
    let known = ["after", "before", "since", "limit", "order"];
    let mut query = Query::parse(request.query_string(), &known);
    let (after, before) = (query.id("after"), query.id("before"));
    let since = query.since();
    let limit = query.limit();
    let newest_first = query.newest_first();
    query.exclude("after", "before");
    query.exclude("since", "after");
    query.exclude("since", "before");
    query.finish()?;
    let since = match since {
        Some(since) => Some(since::position(since, &state, &topic).await?),
        None => None,
    };
    let anchor = match (after, since, before) {
        (Some(id), _, _) => Anchor::after(id),
        (_, Some(id), _) => Anchor::Since(id),
        (_, _, Some(id)) => Anchor::Before(id),
        _ if newest_first => Anchor::Newest,
        _ => Anchor::Oldest,
    };
    // Held until the response is built. The semaphore is never closed.
    let _permit = state.page_permits.acquire().await;
    let page = state
        .services
        .messages
        .list(&topic, PageRequest { anchor, limit })
        .await?;
    let links = Links {
        base: state.settings.public_url.base(),
        topic: &topic,
        limit,
        newest_first,
    };
    let (next, prev) = links.of(&page, anchor);
    let mut response = HttpResponse::Ok();
    insert_links(&mut response, next.as_deref(), prev.as_deref());
    let mut messages: Vec<_> = page
        .messages
        .iter()
        .map(|message| message_response(message))
        .collect();
    let unreadable = page.unreadable.iter().map(MessageId::to_string);
    let mut unreadable: Vec<_> = unreadable.collect();
    if newest_first {
        messages.reverse();
        unreadable.reverse();
    }
    Ok(response.json(PageResponse {
        messages,
        unreadable,
        next,
        prev,
        truncated: page.truncated,
    }))
}

/// Returns one message.
#[utoipa::path(get, path = "/api/v1/topics/{topic}/messages/{id}", tag = "messages",
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("id" = String, Path, pattern = "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$"),
        ("If-Match" = Option<String>, Header, description = "Entity tags of the wanted message"),
        ("If-None-Match" = Option<String>, Header, description = "Entity tags of cached messages")),
    responses((status = 200, body = MessageResponse<'static>, headers(("ETag" = String, description = "The id, quoted"))),
        (status = 304, description = "The cached message is current"),
        ReadFailures, PreconditionFailures, AccessFailures, Failures))]
pub(crate) async fn get_message(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let (topic, id) = (path::existing_topic(&request)?, path::message_id(&request)?);
    let message = state.services.messages.get(&topic, id).await?;
    let message = message.ok_or(Missing::Message)?;
    let tag = entity_tag(id);
    let evaluated = evaluate(request.headers(), &tag);
    if evaluated == Evaluated::Failed {
        return Err(ApiError::new(Code::PreconditionFailed));
    }
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::ETAG, tag))
        .insert_header((header::CACHE_CONTROL, IMMUTABLE));
    if evaluated == Evaluated::NotModified {
        return Ok(response.status(StatusCode::NOT_MODIFIED).finish());
    }
    Ok(response.json(message_response(&message)))
}

/// Deletes one message.
#[utoipa::path(delete, path = "/api/v1/topics/{topic}/messages/{id}", tag = "messages",
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("id" = String, Path, pattern = "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$"),
        ("If-Match" = Option<String>, Header, description = "Entity tags of the message to delete")),
    responses((status = 204, description = "The message is deleted"),
        ReadFailures, PreconditionFailures, AccessFailures, Failures))]
pub(crate) async fn delete_message(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let (topic, id) = (path::existing_topic(&request)?, path::message_id(&request)?);
    let object = format!("{topic}/{id}");
    let event = AuditEvent::start(&request, AuditAction::DeleteMessage, object);
    if evaluate(request.headers(), &entity_tag(id)) != Evaluated::Holds {
        // The preconditions are those of an existing message (RFC 9110, 13.2.1).
        let (outcome, error) = match state.services.messages.get(&topic, id).await? {
            Some(_) => (
                AuditOutcome::Refused,
                ApiError::new(Code::PreconditionFailed),
            ),
            None => (AuditOutcome::Absent, Missing::Message.into()),
        };
        event.finish(outcome);
        return Err(error);
    }
    if state.services.messages.delete(&topic, id).await? {
        event.finish(AuditOutcome::Done);
        Ok(HttpResponse::NoContent().finish())
    } else {
        event.finish(AuditOutcome::Absent);
        Err(Missing::Message.into())
    }
}

/// The `ETag` of a message, which never changes.
fn entity_tag(id: MessageId) -> String {
    format!("\"{id}\"")
}
