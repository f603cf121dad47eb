//! Deleting the oldest messages of a topic.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::request::audit::{AuditAction, AuditEvent};
use crate::request::path;
use crate::state::AppState;
use crate::wire::problem::ApiError;
use crate::wire::query::Query;
use crate::wire::responses::{AccessFailures, Failures, ReadFailures};

/// What a call has deleted.
#[derive(Serialize, ToSchema)]
pub(crate) struct BulkDeletionResponse {
    /// The number of messages that were deleted.
    #[schema(minimum = 0, maximum = 1000)]
    deleted: usize,
    /// Whether older messages than `before` are left: a further call deletes them.
    more: bool,
}

/// Deletes the oldest messages of a topic, at most 1,000 in one call.
#[utoipa::path(delete, path = "/api/v1/topics/{topic}/messages", tag = "messages",
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("before" = String, Query, description = "The id of the first message that stays; any ULID",
            pattern = "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$")),
    responses((status = 200, body = BulkDeletionResponse, description = "The oldest messages before `before` are deleted"),
        ReadFailures, AccessFailures, Failures))]
pub(crate) async fn delete_messages(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let topic = path::existing_topic(&request)?;
    let mut query = Query::parse(request.query_string(), &["before"]);
    let before = query.id("before");
    let before = query.finish_with("before", before)?;
    // As it was sent: more ids than those of messages are valid, and each names a place between two of them.
    let object = format!("{topic}?{}", request.query_string());
    let event = AuditEvent::start(&request, AuditAction::DeleteMessages, object);
    let deletion = state
        .services
        .messages
        .delete_before(&topic, before)
        .await?;
    event.finish_many(deletion.deleted);
    Ok(HttpResponse::Ok().json(BulkDeletionResponse {
        deleted: deletion.deleted,
        more: deletion.more,
    }))
}
