//! The outermost middleware: request id, span, metrics, one log event, headers, problem documents.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::state::metrics::{RequestMetrics, RequestOutcome, Shed};
use actix_http::ConnectionType;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap};
use actix_web::http::{Method, StatusCode, Version};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpResponse, web};
use posthorn_application::Phase;
use posthorn_http1::{BodyState, RequestTracker};
use tracing::{Instrument, Span, field};
use uuid::{NoContext, Uuid};

use crate::middleware::flood;
use crate::middleware::headers;
use crate::request::client_address;
use crate::request::context::{Client, RequestContext};
use crate::request::locale;
use crate::request::path;
use crate::request::trace::Trace;
use crate::route::{self, Route};
use crate::state::State;
use crate::wire::problem::{self, ApiError, Code};

/// The longest request id that is taken over.
const MAX_ID_LENGTH: usize = 128;
/// The endpoint's label for a path that no route knows.
const UNMATCHED: &str = "unmatched";
/// The method's label for one that no route knows.
const OTHER: &str = "OTHER";

/// Tells the metrics that a request began and, however it ends, that it ended.
struct Counted<'a> {
    metrics: &'a dyn RequestMetrics,
    outcome: Option<RequestOutcome>,
}

/// What is known once the answer is there.
struct Finished {
    outcome: RequestOutcome,
    is_probe: bool,
    bytes: u64,
}

/// Runs one request.
pub(crate) async fn observe(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(state) = request.app_data::<web::Data<State>>().cloned() else {
        tracing::error!("the state of the server is missing");
        return Err(ApiError::new(Code::Internal).into());
    };
    let began = state.services.clock.monotonic();
    let mut counted = Counted::start(&*state.services.request_metrics);
    let context = Rc::new(context(&request, &state));
    request.extensions_mut().insert(Rc::clone(&context));
    let span = span(&context, request.method());
    let response = next.call(request).instrument(span.clone()).await?;
    let response = present(response.map_into_boxed_body(), &context, &state);
    let response = headers::add(response, &context, &state.settings);
    let response = close_when_needed(response, &state);
    let finished = finished(
        &response,
        &context,
        state.services.clock.monotonic().saturating_sub(began),
    );
    counted.outcome = Some(finished.outcome);
    drop(counted);
    finished.log(&span, &context);
    Ok(response)
}

/// The answer to what is no request, counted and logged as if it were one.
pub(crate) fn refuse(error: &ApiError, state: &State, peer: Option<SocketAddr>) -> HttpResponse {
    let settings = &state.settings;
    let mut counted = Counted::start(&*state.services.request_metrics);
    let no_headers = HeaderMap::new();
    let context = RequestContext::new(
        request_id(&no_headers),
        Trace::new(),
        settings.default_locale,
        client_address::of(peer, &no_headers, settings.trusted_proxies()).into(),
    );
    // Its path is not known; the root stands for it.
    let mut response = error.answer(&context.id, context.locale, "/", false);
    headers::add_common(response.headers_mut(), &context, settings);
    let outcome = RequestOutcome {
        method: OTHER,
        endpoint: UNMATCHED,
        status: response.status().as_u16(),
        latency: Duration::ZERO,
    };
    counted.outcome = Some(outcome);
    drop(counted);
    let bytes = length(response.body());
    let finished = Finished {
        outcome,
        is_probe: false,
        bytes,
    };
    finished.log(&Span::none(), &context);
    response
}

fn context(request: &ServiceRequest, state: &State) -> RequestContext {
    let settings = &state.settings;
    let headers = request.headers();
    let client = client_address::of(request.peer_addr(), headers, settings.trusted_proxies());
    let peer = request.conn_data::<Client>();
    let peer = peer.filter(|peer| peer.address == client).cloned();
    let locale = locale::negotiate(headers, settings.default_locale);
    RequestContext::new(
        request_id(headers),
        Trace::of(headers),
        locale,
        peer.unwrap_or_else(|| client.into()),
    )
}

/// The client's id when it is well formed, else a new UUID of version 7 (RFC 9562).
fn request_id(headers: &HeaderMap) -> String {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let given = headers
        .get(&headers::X_REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    match given {
        Some(id) if (1..=MAX_ID_LENGTH).contains(&id.len()) && id.bytes().all(allowed) => {
            id.to_owned()
        }
        // What is random in it makes it unique; a count besides would be shared by all workers.
        _ => Uuid::new_v7(uuid::Timestamp::now(NoContext)).to_string(),
    }
}

fn span(context: &RequestContext, method: &Method) -> Span {
    tracing::info_span!(
        "request",
        request_id = context.id,
        trace_id = context.trace.id,
        traceparent = context.trace.parent,
        method = method_label(method),
        client = &*context.client_text,
        route = field::Empty,
        status = field::Empty,
        latency_ms = field::Empty,
    )
}

/// Makes every answer of an error a problem document.
fn present(response: ServiceResponse, context: &RequestContext, state: &State) -> ServiceResponse {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let is_document = response.headers().get(header::CONTENT_TYPE) == Some(&problem::CONTENT_TYPE);
    if !is_error || is_document || is_own_answer(&response) {
        return response;
    }
    let error = response
        .response()
        .error()
        .and_then(Error::as_error::<ApiError>)
        .cloned();
    // Only the flood guard refuses without an error of ours.
    let flooded = if error.is_none() && status == StatusCode::TOO_MANY_REQUESTS {
        retry_after(response.headers())
    } else {
        None
    };
    let error = error.unwrap_or_else(|| match flooded {
        Some(seconds) => flood::refusal(&state.settings, seconds),
        None => ApiError {
            retry_after: retry_after(response.headers()),
            ..ApiError::new(Code::of_status(status))
        },
    });
    let (request, plain) = response.into_parts();
    let legacy = route::is_legacy_path(path::routed_path(&request));
    let mut document = error.answer(&context.id, context.locale, request.path(), legacy);
    // What other middleware said stays, such as the headers of CORS.
    for (name, value) in plain.headers() {
        if !document.headers().contains_key(name) && *name != header::CONTENT_LENGTH {
            document.headers_mut().append(name.clone(), value.clone());
        }
    }
    if let Some(seconds) = flooded {
        state.services.request_metrics.request_shed(Shed::Flood);
        flood::describe(document.headers_mut(), state, seconds);
    }
    ServiceResponse::new(request, document)
}

/// The seconds that an answer without a document asks its client to wait.
fn retry_after(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// Whether an answer with an error's status is meant as it is: health reports have a body that
/// says what is wrong.
fn is_own_answer(response: &ServiceResponse) -> bool {
    response.response().error().is_none()
        && response.headers().get(header::CONTENT_TYPE).is_some()
        && response.status() == StatusCode::SERVICE_UNAVAILABLE
}

/// Announces the close: once the process was told to stop, clients take their next request elsewhere;
/// after a body without an end nothing can follow; and what the client offers to go on with is not
/// what it goes on with.
fn close_when_needed(mut response: ServiceResponse, state: &State) -> ServiceResponse {
    let is_draining = state.services.lifecycle.phase() >= Phase::Draining;
    let request = response.request();
    let requests = request.conn_data::<RequestTracker>();
    let is_body_broken =
        requests.is_some_and(|requests| requests.body_state() == BodyState::Broken);
    let offers_other = request.head().connection_type() == ConnectionType::Upgrade;
    let ends_by_close = response.response().body().size() == BodySize::Stream
        && (request.version() < Version::HTTP_11
            || request.headers().contains_key(header::UPGRADE));
    if is_draining || is_body_broken || offers_other || ends_by_close {
        let head = response.response_mut().head_mut();
        head.set_connection_type(ConnectionType::Close);
        if ends_by_close {
            // HTTP/1.0 knows no chunks, and actix-http makes none after an offer of another protocol.
            head.no_chunking(true);
        }
    }
    response
}

fn finished(response: &ServiceResponse, context: &RequestContext, latency: Duration) -> Finished {
    let route = context.route.get();
    Finished {
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

/// The length of a body, in bytes; 0 for a stream, whose end is not known yet.
fn length(body: &BoxBody) -> u64 {
    match body.size() {
        BodySize::Sized(bytes) => bytes,
        BodySize::None | BodySize::Stream => 0,
    }
}

impl Finished {
    /// One event for each request, after its span: inside it the Bunyan formatter would put the
    /// span's name before the message.
    fn log(&self, span: &Span, context: &RequestContext) {
        let RequestOutcome {
            method,
            endpoint: route,
            status,
            latency,
        } = self.outcome;
        // To the microsecond; what takes longer than an hour is cut.
        let micros = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX);
        let latency_ms = f64::from(micros) / 1000.0;
        tracing::record_all!(
            span,
            route = route,
            status = status,
            latency_ms = latency_ms
        );
        let (request_id, trace_id) = (context.id.as_str(), context.trace.id.as_str());
        let client = &*context.client_text;
        let bytes = self.bytes;
        if self.is_probe {
            tracing::debug!(
                request_id,
                trace_id,
                method,
                route,
                status,
                latency_ms,
                client,
                bytes,
                "request finished"
            );
        } else if status >= 500 {
            tracing::error!(
                request_id,
                trace_id,
                method,
                route,
                status,
                latency_ms,
                client,
                bytes,
                "request failed"
            );
        } else {
            tracing::info!(
                request_id,
                trace_id,
                method,
                route,
                status,
                latency_ms,
                client,
                bytes,
                "request finished"
            );
        }
    }
}

impl<'a> Counted<'a> {
    fn start(metrics: &'a dyn RequestMetrics) -> Self {
        metrics.request_started();
        Self {
            metrics,
            outcome: None,
        }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.metrics.request_finished(self.outcome);
    }
}

/// The method as a label; one label for all that no route knows.
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

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    #[test]
    fn a_well_formed_id_is_kept_and_any_other_replaced() {
        let mut headers = HeaderMap::new();
        let (longest, too_long) = ("x".repeat(128), "x".repeat(129));
        for (given, kept) in [
            ("aZ0._-", true),
            (&longest, true),
            (&too_long, false),
            ("a b", false),
            ("", false),
        ] {
            headers.insert(
                headers::X_REQUEST_ID.clone(),
                HeaderValue::from_str(given).unwrap(),
            );
            let id = request_id(&headers);
            assert_eq!(id == given, kept, "{given}");
            assert!(kept || Uuid::parse_str(&id).unwrap().get_version_num() == 7);
        }
    }
}
