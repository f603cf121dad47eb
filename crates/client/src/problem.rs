//! Converts a response with an error status to a typed error with a text.

use std::time::Duration;

use reqwest::header::{LOCATION, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Deserialize;

use crate::console::escape_control;
use crate::error::{ClientError, RetryableError};
use crate::response::read_body;

/// The members of a problem document (RFC 9457) that the text uses.
#[derive(Debug, Deserialize)]
struct ProblemDocument {
    code: Option<String>,
    detail: Option<String>,
    request_id: Option<String>,
    #[serde(default)]
    errors: Vec<InvalidField>,
}

#[derive(Debug, Deserialize)]
struct InvalidField {
    field: String,
    message: String,
}

/// Converts a response whose status is not a success.
pub(crate) async fn convert_response(response: Response) -> ClientError {
    convert(response, str::to_owned).await
}

/// As [`convert_response`], for a list of items: `item_name` names an item by its index, from 0.
pub(crate) async fn convert_items_response(
    response: Response,
    item_name: impl Fn(usize) -> String,
) -> ClientError {
    convert(response, |field| name_in_item(field, &item_name)).await
}

async fn convert(response: Response, field_name: impl Fn(&str) -> String) -> ClientError {
    let status = response.status();
    let retry_after = retry_after(&response);
    let text = describe(response, field_name).await;
    if may_succeed_later(status) {
        ClientError::Retryable(RetryableError {
            retry_after,
            ..RetryableError::new(text)
        })
    } else {
        let status = status.as_u16();
        ClientError::Rejected { status, text }
    }
}

/// True if the same request may succeed later.
fn may_succeed_later(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        )
}

/// The wait that `Retry-After` requests, if it is given in seconds.
fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

/// Describes the error by its problem document, or by its status alone.
async fn describe(response: Response, field_name: impl Fn(&str) -> String) -> String {
    let status = response.status();
    let hint = hint(&response);
    let body = read_body(response).await.unwrap_or_default();
    let Ok(problem) = serde_json::from_slice::<ProblemDocument>(&body) else {
        return format!("{status}{hint}");
    };
    let code = problem.code.as_deref().unwrap_or("error");
    let mut text = format!("{} {code}{hint}", status.as_u16());
    let fields = problem.errors.iter();
    let fields: Vec<_> = fields
        .map(|invalid| format!("{}: {}", field_name(&invalid.field), invalid.message))
        .collect();
    if !fields.is_empty() {
        // The detail only repeats that these fields are invalid.
        text.push_str(&format!(": {}", fields.join(" ")));
    } else if let Some(detail) = problem.detail {
        text.push_str(&format!(": {detail}"));
    }
    if let Some(id) = problem.request_id {
        text.push_str(&format!(" (request {id})"));
    }
    escape_control(&text)
}

/// The name of a field of an item, such as `3.message` or `3`.
fn name_in_item(field: &str, item_name: impl Fn(usize) -> String) -> String {
    let (index, member) = field.split_once('.').unwrap_or((field, ""));
    match index.parse() {
        Ok(index) if member.is_empty() => item_name(index),
        Ok(index) => format!("{}: {member}", item_name(index)),
        Err(_) => field.to_owned(),
    }
}

/// The fact that usually explains this status: the address, or the redirect.
fn hint(response: &Response) -> String {
    let location = response.headers().get(LOCATION);
    let location = location.and_then(|location| location.to_str().ok());
    match (response.status(), location) {
        (StatusCode::NOT_FOUND, _) => format!(" at {}", response.url()),
        (status, Some(location)) if status.is_redirection() => format!(" to {location}"),
        _ => String::new(),
    }
}
