//! The outermost middleware: the request's context, span, metrics and log event. It also completes the
//! response: problem document, headers, `Connection: close`.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpResponse, web};
use tracing::{Instrument, Span, field};

use crate::middleware::{connection_close, error_documents, headers, response_memory};
use crate::request::context::{ClientAddress, RequestContext};
use crate::request::trace::Trace;
use crate::request::{client_address, locale, request_id};
use crate::route::Route;
use crate::state::AppState;
use crate::state::metrics::{RequestMetrics, RequestOutcome};
use crate::wire::problem::{ApiError, Code};

/// The endpoint label of a path without a route.
const UNMATCHED: &str = "unmatched";
/// The method label of a method without a route.
const OTHER: &str = "OTHER";

/// Counts a request as started, and as finished when it is dropped, with or without a response.
struct RequestMetricsGuard<'a> {
    metrics: &'a dyn RequestMetrics,
    outcome: Option<RequestOutcome>,
}

/// A finished request, as the log shows it.
struct FinishedRequest {
    outcome: RequestOutcome,
    is_probe: bool,
    /// The length of the response body.
    bytes: u64,
}

/// Handles one request from its head to its response.
pub(crate) async fn access_log(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(state) = request.app_data::<web::Data<AppState>>().cloned() else {
        tracing::error!("the request has no server state");
        return Err(ApiError::new(Code::Internal).into());
    };
    let start = state.services.clock.monotonic();
    // From here to the end of the function the client may disconnect, which drops the guard.
    let guard = RequestMetricsGuard::start(&*state.services.request_metrics);
    let context = Rc::new(context(&request, &state));
    request.extensions_mut().insert(Rc::clone(&context));
    let span = span(&context, &request);
    let response = next.call(request).instrument(span.clone()).await?;
    let response = response_memory::limit(response.map_into_boxed_body(), &state);
    let response = error_documents::write(response, &context, &state);
    let response = headers::insert(response, &context, &state.settings);
    let response = connection_close::announce(response, &state);
    let latency = state.services.clock.monotonic().saturating_sub(start);
    let finished = FinishedRequest::new(&response, &context, latency);
    guard.finish(finished.outcome);
    finished.log(&span, &context);
    Ok(response)
}

/// The response to bytes that are not a request, counted and logged like the response to one.
pub(crate) fn respond_to_invalid_request(
    error: &ApiError,
    state: &AppState,
    peer: Option<SocketAddr>,
) -> HttpResponse {
    let settings = &state.settings;
    let guard = RequestMetricsGuard::start(&*state.services.request_metrics);
    let client = client_address::of(peer, &HeaderMap::new(), settings.trusted_proxies());
    let context = RequestContext::new(
        request_id::new(),
        Trace::new(),
        settings.default_locale,
        client.into(),
    );
    // The path is unknown: the root stands for it.
    let mut response = error.response(
        &context.id,
        context.locale,
        &settings.public_url,
        "/",
        false,
    );
    headers::insert_common(response.headers_mut(), &context, settings);
    let outcome = RequestOutcome {
        method: OTHER,
        endpoint: UNMATCHED,
        status: response.status().as_u16(),
        latency: Duration::ZERO,
    };
    guard.finish(outcome);
    let finished = FinishedRequest {
        outcome,
        is_probe: false,
        bytes: length(response.body()),
    };
    finished.log(&Span::none(), &context);
    response
}

fn context(request: &ServiceRequest, state: &AppState) -> RequestContext {
    let settings = &state.settings;
    let headers = request.headers();
    let client = client_address::of(request.peer_addr(), headers, settings.trusted_proxies());
    // The connection already has the text of its peer's address.
    let peer = request.conn_data::<ClientAddress>();
    let peer = peer.filter(|peer| peer.address == client).cloned();
    let context = RequestContext::new(
        request_id::of(headers),
        Trace::of(headers),
        locale::negotiate(headers, settings.default_locale),
        peer.unwrap_or_else(|| client.into()),
    );
    RequestContext {
        is_https: client_address::is_https(headers, settings.trusted_proxies()),
        ..context
    }
}

/// The request's span, with the attributes of OpenTelemetry's conventions for HTTP servers.
fn span(context: &RequestContext, request: &ServiceRequest) -> Span {
    let method = match method_label(request.method()) {
        OTHER => "_OTHER",
        method => method,
    };
    tracing::info_span!(
        "request",
        request_id = context.id,
        trace_id = context.trace.id,
        traceparent = context.trace.parent,
        otel.kind = "server",
        http.request.method = method,
        url.path = request.path(),
        // TLS ends before this server.
        url.scheme = "http",
        client.address = &*context.client_text,
        http.route = field::Empty,
        http.response.status_code = field::Empty,
    )
}

/// The length of a body in bytes; 0 for a stream, whose end is not known yet.
fn length(body: &BoxBody) -> u64 {
    match body.size() {
        BodySize::Sized(bytes) => bytes,
        BodySize::None | BodySize::Stream => 0,
    }
}

/// The method as a metrics label; all methods without a route share one label.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => OTHER,
    }
}

impl FinishedRequest {
    fn new(response: &ServiceResponse, context: &RequestContext, latency: Duration) -> Self {
        let route = context.route.get();
        Self {
            outcome: RequestOutcome {
                method: method_label(response.request().method()),
                endpoint: route.map_or(UNMATCHED, |route| route.template),
                status: response.status().as_u16(),
                latency,
            },
            is_probe: route.is_some_and(Route::is_probe),
            bytes: length(response.response().body()),
        }
    }

    /// Logs one event, outside of the request's span: inside it the Bunyan formatter would put the
    /// span's name before the message.
    fn log(&self, span: &Span, context: &RequestContext) {
        let RequestOutcome {
            method,
            endpoint: route,
            status,
            latency,
        } = self.outcome;
        // In microseconds, at most 71 minutes: the width that becomes a float without loss.
        let micros = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX);
        let latency_ms = f64::from(micros) / 1000.0;
        tracing::record_all!(
            span,
            http.route = context.route.get().map(|route| route.template),
            http.response.status_code = i64::from(status)
        );
        let (request_id, trace_id) = (context.id.as_str(), context.trace.id.as_str());
        let client = &*context.client_text;
        let bytes = self.bytes;
        macro_rules! log {
            ($level:ident, $text:literal) => {
                tracing::$level!(
                    request_id, trace_id, method, route, status, latency_ms, client, bytes, $text
                )
            };
        }
        if self.is_probe {
            log!(debug, "request finished");
        } else if status >= 500 {
            log!(error, "request failed");
        } else {
            log!(info, "request finished");
        }
    }
}

impl<'a> RequestMetricsGuard<'a> {
    fn start(metrics: &'a dyn RequestMetrics) -> Self {
        metrics.request_started();
        Self {
            metrics,
            outcome: None,
        }
    }

    fn finish(mut self, outcome: RequestOutcome) {
        self.outcome = Some(outcome);
    }
}

impl Drop for RequestMetricsGuard<'_> {
    fn drop(&mut self) {
        self.metrics.request_finished(self.outcome);
    }
}
