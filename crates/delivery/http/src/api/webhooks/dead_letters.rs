//! The dead letters of a webhook.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::api::dead_letters;
use crate::request::path;
use crate::state::AppState;
use crate::wire::consumer::{DeadLettersResponse, RedriveBody, RedriveResponse};
use crate::wire::problem::ApiError;
use crate::wire::responses::{AccessFailures, Failures, WebhookFailures};

/// Returns a page of dead letters, in the order of their ids. Their `reason` is the status code of the
/// receiver or the error of the last attempt.
#[utoipa::path(get, path = "/api/v1/topics/{topic}/webhooks/{webhook}/dead", tag = "webhooks",
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("webhook" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("after" = Option<String>, Query, description = "Those after this id",
            pattern = "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "50 when absent")),
    responses((status = 200, body = DeadLettersResponse<'static>),
        WebhookFailures, AccessFailures, Failures))]
pub(crate) async fn list_webhook_dead_letters(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let key = path::webhook(&request)?;
    dead_letters::list(&request, &state, &key).await
}

/// Makes dead letters wait again, with attempts from 1.
#[utoipa::path(post, path = "/api/v1/topics/{topic}/webhooks/{webhook}/dead/redrive", tag = "webhooks",
    request_body(content = RedriveBody, description = "Which; the first 200 that can be read when absent"),
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("webhook" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")),
    responses((status = 200, body = RedriveResponse), WebhookFailures, AccessFailures, Failures))]
pub(crate) async fn redrive_webhook(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let key = path::webhook(&request)?;
    dead_letters::redrive(&request, payload, &state, &key).await
}

/// Deletes one dead letter.
#[utoipa::path(delete, path = "/api/v1/topics/{topic}/webhooks/{webhook}/dead/{id}", tag = "webhooks",
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("webhook" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("id" = String, Path, pattern = "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$")),
    responses((status = 204, description = "The dead letter is deleted"),
        WebhookFailures, AccessFailures, Failures))]
pub(crate) async fn delete_webhook_dead_letter(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let (key, id) = (path::webhook(&request)?, path::message_id(&request)?);
    dead_letters::delete(&request, &state, &key, id).await
}
