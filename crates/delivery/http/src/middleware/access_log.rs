//! The outermost middleware: the request's context, span, metrics and log event. It rejects an invalid `Host`, and
//! completes the response: problem document, headers, `Connection: close`.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::{Error, HttpMessage, HttpResponse, web};
use posthorn_http1::HeaderLines;
use tracing::{Instrument, Span};

use crate::middleware::around::Next;
use crate::middleware::request_span::request_span;
use crate::middleware::{
    connection_close, error_documents, headers, host, request_line, response_memory,
};
use crate::request::context::{ClientAddress, LoggedError, RequestContext};
use crate::request::method_label::{OTHER, method_label};
use crate::request::trace::Trace;
use crate::request::{client_address, locale, request_id};
use crate::state::AppState;
use crate::state::metrics::RequestOutcome;
use crate::wire::problem::{ApiError, Code};

/// The endpoint label of a path without a route.
const UNMATCHED: &str = "unmatched";

/// Counts a request as started, and as finished when it is dropped: with its outcome, or without one if its client
/// disconnected before the response, which is logged.
struct RequestGuard<'a> {
    state: &'a AppState,
    context: &'a RequestContext,
    method: &'static str,
    /// The monotonic time of its start.
    start: Duration,
    outcome: Option<RequestOutcome>,
}

/// Handles one request from its head to its response.
pub(crate) async fn access_log(
    request: ServiceRequest,
    next: Next<
        impl Service<
            ServiceRequest,
            Response = ServiceResponse<impl MessageBody + 'static>,
            Error = Error,
        >,
    >,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(state) = request.app_data::<web::Data<AppState>>().cloned() else {
        tracing::error!("the request has no server state");
        return Err(ApiError::new(Code::Internal).into());
    };
    let context = Rc::new(context(&request, &state));
    // From here to the end of the function the client may disconnect, which drops the guard.
    let guard = RequestGuard::start(&state, &context, method_label(request.method()));
    request.extensions_mut().insert(Rc::clone(&context));
    let lines = request.conn_data::<HeaderLines>().cloned();
    let lines = lines.unwrap_or_default();
    let span = request_span(&context, &request, state.services.exports_spans);
    let response = match host::check(request.headers()) {
        Ok(()) => next
            .call(request)
            .instrument(span.clone())
            .await?
            .map_into_boxed_body(),
        Err(error) => ServiceResponse::from_err(error, request.into_parts().0),
    };
    let response = response_memory::limit(response, &state);
    let response = error_documents::write(response, &context, &state);
    let response = headers::insert(response, &lines, &context, &state.settings);
    let response = connection_close::announce(response, &state);
    let outcome = guard.finish(response.status());
    let (request, body) = (response.request(), response.response().body());
    request_line::log(&outcome, &span, &context, Some(request), body);
    Ok(response)
}

/// The response to bytes that are not a request, counted and logged like the response to one.
pub(crate) fn respond_to_invalid_request(
    error: &ApiError,
    state: &AppState,
    peer: Option<SocketAddr>,
    lines: &HeaderLines,
) -> HttpResponse {
    let settings = &state.settings;
    let client = client_address::of(peer, &HeaderMap::new(), settings.trusted_proxies());
    let context = RequestContext::new(
        request_id::new(),
        Trace::new(),
        settings.default_locale,
        client.into(),
    );
    let guard = RequestGuard::start(state, &context, OTHER);
    // The path is unknown: the root stands for it.
    let response = error.response(
        &context.id,
        context.locale,
        &settings.public_url,
        "/",
        false,
    );
    headers::push_common(lines, response.headers(), &context, settings);
    let _ = context.error.set(LoggedError {
        code: Some(error.code.as_str()),
        cause: error.cause.clone(),
    });
    let outcome = guard.finish(response.status());
    request_line::log(&outcome, &Span::none(), &context, None, response.body());
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

impl<'a> RequestGuard<'a> {
    fn start(state: &'a AppState, context: &'a RequestContext, method: &'static str) -> Self {
        state.services.request_metrics.request_started();
        Self {
            state,
            context,
            method,
            start: state.services.clock.monotonic(),
            outcome: None,
        }
    }

    fn finish(mut self, status: StatusCode) -> RequestOutcome {
        let outcome = self.outcome(status.as_u16());
        self.outcome = Some(outcome);
        outcome
    }

    fn outcome(&self, status: u16) -> RequestOutcome {
        let route = self.context.route.get();
        let now = self.state.services.clock.monotonic();
        RequestOutcome {
            method: self.method,
            endpoint: route.map_or(UNMATCHED, |route| route.template),
            status,
            latency: now.saturating_sub(self.start),
        }
    }
}

impl Drop for RequestGuard<'_> {
    fn drop(&mut self) {
        let metrics = &self.state.services.request_metrics;
        metrics.request_finished(self.outcome);
        if self.outcome.is_none() {
            request_line::log_abandoned(&self.outcome(0), self.context);
        }
    }
}
