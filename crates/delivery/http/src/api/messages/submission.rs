//! A submitted message, whatever its format.

use actix_web::{HttpRequest, web};
use posthorn_domain::Topic;

use crate::request::message_format::{self, MessageFormat};
use crate::request::{body, browser_form, context};
use crate::route::Kind;
use crate::state::AppState;
use crate::wire::message::form::SubmittedForm;
use crate::wire::message::{IncomingMessage, event, form, notification, plain};
use crate::wire::problem::{ApiError, FieldProblem};
use crate::wire::query::Query;

/// What only a form asks of the response.
#[derive(Debug, Default)]
pub(super) struct FormResponse {
    /// True if a browser shows the response to its user.
    pub(super) for_browser: bool,
    /// The URL that the browser is sent to.
    pub(super) redirect: Option<String>,
    /// True if the message is not to be stored.
    pub(super) is_trapped: bool,
}

/// The format of the body. `has_topic` is true if the path has a topic: only such a path takes every
/// format.
///
/// # Errors
/// `unsupported-media-type`, or `validation-failed` for parameters that the format does not have.
pub(super) fn format(request: &HttpRequest, has_topic: bool) -> Result<MessageFormat, ApiError> {
    let format = if has_topic {
        message_format::of_message(request.headers())?
    } else {
        body::require_json(request)?;
        MessageFormat::Json
    };
    let query = request.query_string();
    if !query.is_empty() && format != MessageFormat::Text && !is_legacy(request) {
        Query::parse(query, &[]).finish()?;
    }
    Ok(format)
}

/// Parses a body of `format`. `topic` is the path's, and `problems` are those of the head.
///
/// # Errors
/// The body is malformed, or some of its fields are invalid.
pub(super) async fn parse(
    request: &HttpRequest,
    format: &MessageFormat,
    bytes: web::Bytes,
    state: &AppState,
    topic: Option<&Topic>,
    problems: Vec<FieldProblem>,
) -> Result<(IncomingMessage, FormResponse), ApiError> {
    let rules = state.settings.content_rules();
    let message = match format {
        MessageFormat::Json => {
            let parsed = IncomingMessage::parse(&bytes, &rules, topic, problems.clone());
            let is_open = parsed.is_err() && topic.is_some();
            let other = is_open.then(|| notification::parse(&bytes, &rules, problems));
            other.flatten().unwrap_or(parsed)?
        }
        MessageFormat::Text => plain::parse(&bytes, request.query_string(), &rules, problems)?,
        MessageFormat::Form => {
            let form = form::parse_urlencoded(&bytes, &rules, problems)?;
            return Ok(split_form(request, state, form));
        }
        MessageFormat::Multipart { boundary } => {
            // Boxed, so that the future of the other formats stays small.
            let form = Box::pin(form::parse_multipart(bytes, boundary, &rules, problems)).await?;
            return Ok(split_form(request, state, form));
        }
        MessageFormat::Event => event::parse_structured(&bytes, &rules, problems)?,
        MessageFormat::BinaryEvent(data) => {
            let headers = request.headers().iter();
            let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
            event::parse_binary(headers, &bytes, *data, &rules, problems)?
        }
    };
    Ok((message, FormResponse::default()))
}

/// Splits a form into its message and the response that it asks for.
fn split_form(
    request: &HttpRequest,
    state: &AppState,
    form: SubmittedForm,
) -> (IncomingMessage, FormResponse) {
    let for_browser = browser_form::is_submission(request);
    let next = form.next.filter(|_| for_browser);
    let response = FormResponse {
        for_browser,
        redirect: next.and_then(|next| browser_form::redirect(request, state, &next)),
        is_trapped: form.is_trapped,
    };
    (form.message, response)
}

/// True for the original's paths, which ignore parameters.
fn is_legacy(request: &HttpRequest) -> bool {
    let route = context::of(request).route.get();
    route.is_some_and(|route| matches!(route.kind, Kind::Legacy(_)))
}
