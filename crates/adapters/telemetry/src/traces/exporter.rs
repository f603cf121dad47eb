//! An exporter that completes spans by OpenTelemetry's semantic conventions.
//!
//! Spans have the attributes of the conventions from the start; what follows from several of them is added here, off
//! the path of requests. Sources: <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>,
//! <https://opentelemetry.io/docs/specs/semconv/db/database-spans/>.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::trace::{Link, SpanContext, SpanKind, Status, TraceState};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::layer::{SPAN_ID, TRACE_ID, TRACEPARENT};

/// The attribute of a port's span with the operation.
const OPERATION: &str = "operation";
/// The attribute with the class of a failure.
const ERROR: &str = "error.type";
/// The method of requests whose method no route has.
const OTHER_METHOD: &str = "_OTHER";

/// Completes the spans that `inner` exports. Logs the first failure to export, and the first success after failures.
#[derive(Debug)]
pub(super) struct SemconvExporter<E> {
    inner: E,
    is_failing: AtomicBool,
}

impl<E> SemconvExporter<E> {
    pub(super) fn new(inner: E) -> Self {
        Self {
            inner,
            is_failing: AtomicBool::new(false),
        }
    }

    fn log_change(&self, result: &OTelSdkResult) {
        let failed = result.is_err();
        if self.is_failing.swap(failed, Ordering::Relaxed) == failed {
            return;
        }
        match result {
            Ok(()) => tracing::info!("traces are exported again"),
            Err(error) => tracing::warn!(%error, "traces cannot be exported and are dropped"),
        }
    }
}

impl<E: SpanExporter> SpanExporter for SemconvExporter<E> {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        batch.iter_mut().for_each(complete);
        let result = self.inner.export(batch).await;
        self.log_change(&result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

fn complete(span: &mut SpanData) {
    match span.span_kind {
        SpanKind::Server => complete_request(span),
        SpanKind::Client if get(span, "db.system.name").is_some() => complete_database_call(span),
        SpanKind::Client => complete_attempt(span),
        _ => {
            if let Some(operation) = remove(span, OPERATION) {
                span.name = Cow::Owned(format!("{} {operation}", span.name));
            }
        }
    }
}

/// The call of a database: its operation and what that is performed on.
fn complete_database_call(span: &mut SpanData) {
    let operation = get(span, "db.operation.name").map(Value::as_str);
    let target = match (get(span, "db.collection.name"), get(span, "server.address")) {
        (Some(collection), _) => Some(collection.to_string()),
        (None, Some(address)) => Some(match get(span, "server.port") {
            Some(port) => format!("{address}:{port}"),
            None => address.to_string(),
        }),
        (None, None) => None,
    };
    let parts = operation.map(Cow::into_owned).into_iter().chain(target);
    span.name = Cow::Owned(parts.collect::<Vec<_>>().join(" "));
    if get(span, ERROR).is_some() {
        span.status = Status::error("");
    }
}

/// The request of a webhook.
fn complete_attempt(span: &mut SpanData) {
    remove(span, TRACE_ID);
    // The conventions for messaging want a link to the context in which the message was created, whatever the parent.
    if remove(span, TRACEPARENT).is_some() {
        let (trace, created_by) = (span.span_context.trace_id(), span.parent_span_id);
        let flags = span.span_context.trace_flags();
        let creation = SpanContext::new(trace, created_by, flags, true, TraceState::NONE);
        span.links.links.push(Link::with_context(creation));
    }
    if let Some(method) = get(span, "http.request.method") {
        span.name = Cow::Owned(method.to_string());
    }
    if let Some(&Value::I64(status @ 400..)) = get(span, "http.response.status_code") {
        span.attributes
            .push(KeyValue::new(ERROR, status.to_string()));
    }
    if get(span, ERROR).is_some() {
        span.status = Status::error("");
    }
}

fn complete_request(span: &mut SpanData) {
    // The span's context has them.
    for name in [TRACE_ID, SPAN_ID, TRACEPARENT] {
        remove(span, name);
    }
    let method = get(span, "http.request.method").map(Value::as_str);
    let method = method.filter(|method| method != OTHER_METHOD);
    let verb = method.as_deref().unwrap_or("HTTP");
    span.name = Cow::Owned(match get(span, "http.route") {
        Some(route) => format!("{verb} {route}"),
        None => verb.to_owned(),
    });
    if let Some(&Value::I64(status @ 500..)) = get(span, "http.response.status_code") {
        span.attributes
            .push(KeyValue::new(ERROR, status.to_string()));
        span.status = Status::error("");
    }
}

fn position(span: &SpanData, key: &str) -> Option<usize> {
    let mut attributes = span.attributes.iter();
    attributes.position(|attribute| attribute.key.as_str() == key)
}

fn get<'a>(span: &'a SpanData, key: &str) -> Option<&'a Value> {
    let attribute = span.attributes.get(position(span, key)?)?;
    Some(&attribute.value)
}

fn remove(span: &mut SpanData, key: &str) -> Option<Value> {
    let index = position(span, key)?;
    Some(span.attributes.swap_remove(index).value)
}
