//! Traces the attempts of webhooks.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use opentelemetry::Context as TraceContext;
use opentelemetry::trace::TraceContextExt;
use posthorn_application::{
    WebhookEndpoint, WebhookEvent, WebhookReply, WebhookSendError, WebhookSender,
};
use posthorn_domain::{TraceParent, WebhookPrivate, WebhookSettings};
use tracing::{Instrument, Span, field};

/// A decorator of a [`WebhookSender`]: each request is a span, in the trace of its message if that has one. The request
/// carries the `traceparent` of the span. It is of use only if traces are exported.
pub struct TracedWebhookSender {
    inner: Arc<dyn WebhookSender>,
}

/// The attributes of all spans of one webhook, and its sender.
struct TracedEndpoint {
    inner: Arc<dyn WebhookEndpoint>,
    address: String,
    port: Option<i64>,
    /// Without path and query, which may hold a secret.
    url: String,
}

impl TracedWebhookSender {
    /// Traces the requests of `inner`.
    pub fn new(inner: Arc<dyn WebhookSender>) -> Self {
        Self { inner }
    }
}

impl WebhookSender for TracedWebhookSender {
    fn endpoint(
        &self,
        settings: &WebhookSettings,
        private: &WebhookPrivate,
    ) -> Arc<dyn WebhookEndpoint> {
        let url = settings.url.as_url();
        let address = url.host_str().unwrap_or_default();
        Arc::new(TracedEndpoint {
            inner: self.inner.endpoint(settings, private),
            address: address.trim_matches(['[', ']']).to_owned(),
            port: url.port_or_known_default().map(i64::from),
            url: format!("{}/REDACTED", url.origin().ascii_serialization()),
        })
    }
}

#[async_trait]
impl WebhookEndpoint for TracedEndpoint {
    async fn send(&self, mut event: WebhookEvent) -> Result<WebhookReply, WebhookSendError> {
        let span = self.span(event.traceparent.as_ref());
        event.request_traceparent = span.in_scope(current_traceparent);
        let result = self.inner.send(event).instrument(span.clone()).await;
        match &result {
            Ok(reply) => span.record("http.response.status_code", i64::from(reply.status)),
            Err(error) => span.record("error.type", error_type(error)),
        };
        result
    }
}

impl TracedEndpoint {
    fn span(&self, created: Option<&TraceParent>) -> Span {
        tracing::info_span!(
            "webhook",
            trace_id = created.map(TraceParent::trace_id),
            traceparent = created.map(TraceParent::as_str),
            otel.kind = "client",
            http.request.method = "POST",
            server.address = self.address,
            server.port = self.port,
            url.full = self.url,
            http.response.status_code = field::Empty,
            "error.type" = field::Empty,
        )
    }
}

/// The place of the current span in its trace; `None` if it is not traced.
fn current_traceparent() -> Option<TraceParent> {
    let context = TraceContext::current();
    let span = context.span();
    let context = span.span_context();
    let text = format!(
        "00-{}-{}-{:02x}",
        context.trace_id(),
        context.span_id(),
        context.trace_flags()
    );
    TraceParent::parse(&text).ok()
}

/// The class of a failure.
const fn error_type(error: &WebhookSendError) -> &'static str {
    match error {
        WebhookSendError::Forbidden(_) => "forbidden",
        WebhookSendError::Insecure => "insecure",
        WebhookSendError::Unresolved => "unresolved",
        WebhookSendError::Connect(_) => "connect",
        WebhookSendError::Tls(_) => "tls",
        WebhookSendError::Exhausted => "exhausted",
        WebhookSendError::Proxy(_) => "proxy",
        WebhookSendError::Timeout => "timeout",
        WebhookSendError::Closed => "closed",
        WebhookSendError::Protocol => "protocol",
        WebhookSendError::Failed(_) => "_OTHER",
    }
}

impl fmt::Debug for TracedWebhookSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracedWebhookSender")
            .finish_non_exhaustive()
    }
}
