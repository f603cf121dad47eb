//! The log line of a request.

use std::borrow::Cow;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::{Version, header};
use actix_web::{HttpMessage, HttpRequest};
use posthorn_application::Grant;
use posthorn_domain::Topic;
use tracing::Span;

use crate::request::context::RequestContext;
use crate::route::Route;
use crate::state::metrics::RequestOutcome;

/// The most bytes of a path and of a user agent in a line; what is longer is cut.
const MAX_PATH: usize = 256;
const MAX_USER_AGENT: usize = 128;

/// Logs one event for a request that is finished with the response body `body`; bytes that are no request have none.
/// The event is outside of the request's span and repeats its fields: that costs less than to read them from the span.
pub(super) fn log(
    outcome: &RequestOutcome,
    span: &Span,
    context: &RequestContext,
    request: Option<&HttpRequest>,
    body: &BoxBody,
) {
    let RequestOutcome {
        method,
        endpoint: route,
        status,
        ..
    } = *outcome;
    let found = context.route.get();
    record(span, found, status);
    let path = request.map(|request| cut(request.path(), MAX_PATH));
    let topic = topic(context);
    let error = context.error.get();
    let code = error.and_then(|error| error.code);
    let cause = error.and_then(|error| error.cause.as_ref());
    let cause = cause.map(|cause| &***cause);
    let latency_ms = millis(outcome);
    let user_agent = request.and_then(user_agent);
    let user_agent = user_agent.as_deref();
    let http_version = request.and_then(|request| http_version(request.version()));
    let (bytes_in, bytes) = (context.bytes_in.get(), length(body));
    let extensions = request.map(HttpMessage::extensions);
    let grant = extensions.as_ref().and_then(|found| found.get::<Grant>());
    let refused = context.refused_claims.get().map(|claims| &**claims);
    let claims = grant.and_then(Grant::claims).or(refused);
    let sub = claims.map(|claims| claims.subject.as_str());
    let jti = claims.map(|claims| claims.id.as_str());
    let (request_id, client) = (context.id.as_str(), &*context.client_text);
    let (trace_id, span_id) = (context.trace.id.as_str(), context.trace.span_id.as_str());
    macro_rules! log {
        ($level:ident, $text:literal) => {
            tracing::$level!(
                request_id,
                trace_id,
                span_id,
                method,
                route,
                path,
                topic,
                status,
                code,
                cause,
                latency_ms,
                client,
                user_agent,
                http_version,
                bytes_in,
                bytes,
                sub,
                jti,
                $text
            )
        };
    }
    if found.is_some_and(Route::is_probe) {
        log!(debug, "request finished");
    } else if status >= 500 {
        log!(error, "request failed");
    } else {
        log!(info, "request finished");
    }
}

/// Records in the span what is known of a request once it has a response.
fn record(span: &Span, route: Option<&Route>, status: u16) {
    tracing::record_all!(
        span,
        http.route = route.map(|route| route.template),
        http.response.status_code = i64::from(status)
    );
}

/// Logs one event for a request whose client disconnected before the response.
pub(super) fn log_abandoned(outcome: &RequestOutcome, context: &RequestContext) {
    let (request_id, client) = (context.id.as_str(), &*context.client_text);
    let (trace_id, span_id) = (context.trace.id.as_str(), context.trace.span_id.as_str());
    let (method, route, topic) = (outcome.method, outcome.endpoint, topic(context));
    let (latency_ms, bytes_in) = (millis(outcome), context.bytes_in.get());
    macro_rules! log {
        ($level:ident) => {
            tracing::$level!(
                request_id,
                trace_id,
                span_id,
                method,
                route,
                topic,
                latency_ms,
                client,
                bytes_in,
                "request abandoned"
            )
        };
    }
    if context.route.get().is_some_and(Route::is_probe) {
        log!(debug);
    } else {
        log!(info);
    }
}

/// The topic of the path, or the one that the body names.
fn topic(context: &RequestContext) -> Option<&str> {
    let of_path = context.topic.get().and_then(Option::as_ref);
    let topic = of_path.or_else(|| context.body_topic.get());
    topic.map(Topic::as_str)
}

/// The latency in milliseconds, with microseconds.
fn millis(outcome: &RequestOutcome) -> f64 {
    // In microseconds, at most 71 minutes: the width that becomes a float without loss.
    let micros = u32::try_from(outcome.latency.as_micros()).unwrap_or(u32::MAX);
    f64::from(micros) / 1000.0
}

fn user_agent(request: &HttpRequest) -> Option<Cow<'_, str>> {
    let value = request.headers().get(header::USER_AGENT)?.as_bytes();
    Some(match value.split_at_checked(MAX_USER_AGENT) {
        Some((start, _)) => String::from_utf8_lossy(start),
        None => String::from_utf8_lossy(value),
    })
}

fn http_version(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_10 => Some("1.0"),
        _ => None,
    }
}

/// At most `max` bytes of `text`.
fn cut(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or(text)
}

/// The length of the body in bytes; 0 for a stream, whose end is not known yet.
fn length(body: &BoxBody) -> u64 {
    match body.size() {
        BodySize::Sized(bytes) => bytes,
        BodySize::None | BodySize::Stream => 0,
    }
}
