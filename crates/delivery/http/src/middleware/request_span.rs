//! The span of a request, with the attributes of OpenTelemetry's conventions for HTTP servers.
//!
//! Source: <https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server>.

use actix_web::dev::ServiceRequest;
use actix_web::http::Version;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::http::uri::Authority;
use posthorn_domain::TraceParent;
use tracing::{Span, field};

use crate::request::context::RequestContext;
use crate::request::method_label::{OTHER, method_label};

/// The span of `request`, which is not finished. `is_exported` is true if it has more to show than the log does.
pub(super) fn request_span(
    context: &RequestContext,
    request: &ServiceRequest,
    is_exported: bool,
) -> Span {
    let method = match method_label(request.method()) {
        OTHER => "_OTHER",
        method => method,
    };
    let span = tracing::info_span!(
        "request",
        request_id = context.id,
        trace_id = context.trace.id.as_str(),
        span_id = context.trace.span_id.as_str(),
        traceparent = context.trace.parent.as_ref().map(TraceParent::as_str),
        otel.kind = "server",
        http.request.method = method,
        url.path = request.path(),
        // TLS ends before this server.
        url.scheme = if context.is_https { "https" } else { "http" },
        client.address = &*context.client_text,
        http.request.method_original = field::Empty,
        http.route = field::Empty,
        http.response.status_code = field::Empty,
        network.protocol.version = field::Empty,
        server.address = field::Empty,
        server.port = field::Empty,
        user_agent.original = field::Empty,
    );
    if is_exported {
        record_details(&span, request);
    }
    span
}

/// Records what no log line shows.
fn record_details(span: &Span, request: &ServiceRequest) {
    if method_label(request.method()) == OTHER {
        span.record("http.request.method_original", request.method().as_str());
    }
    span.record("network.protocol.version", version(request.version()));
    if let Some(agent) = text(request.headers(), &header::USER_AGENT) {
        span.record("user_agent.original", agent);
    }
    let authority = text(request.headers(), &header::HOST);
    let authority = authority.and_then(|host| host.parse::<Authority>().ok());
    if let Some(authority) = authority {
        let address = authority.host().trim_matches(['[', ']']);
        span.record("server.address", address);
        if let Some(port) = authority.port_u16() {
            span.record("server.port", i64::from(port));
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The version of HTTP as the conventions write it.
fn version(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        _ => None,
    }
}
