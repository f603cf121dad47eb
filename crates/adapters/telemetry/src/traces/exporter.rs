//! An exporter that completes spans by OpenTelemetry's semantic conventions.
//!
//! Spans have the attributes of the conventions from the start; what follows from several of them is added here, off
//! the path of requests. Source: <https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server>.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::trace::{SpanKind, Status};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::layer::{TRACE_ID, TRACEPARENT};

/// The attribute of a port's span with the operation.
const OPERATION: &str = "operation";
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
    if span.span_kind == SpanKind::Server {
        complete_request(span);
    } else if let Some(operation) = remove(span, OPERATION) {
        span.name = Cow::Owned(format!("{} {operation}", span.name));
    }
}

fn complete_request(span: &mut SpanData) {
    // The span's context has both.
    for name in [TRACE_ID, TRACEPARENT] {
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
        let error = KeyValue::new("error.type", status.to_string());
        span.attributes.push(error);
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
