//! An exporter that gives spans the names of OpenTelemetry's semantic conventions.
//!
//! Source: <https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server>.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::trace::{SpanKind, Status};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

/// The name of the span around a request.
const REQUEST: &str = "request";
/// Where a span's operation stands, for those around ports.
const OPERATION: &str = "operation";
/// The route of a path that no route knows.
const UNMATCHED: &str = "unmatched";
/// The method that stands for all that no route knows, and its name in the conventions.
const OTHER: (&str, &str) = ("OTHER", "_OTHER");

/// Renames what `inner` exports, and logs once when exporting fails and once when it works again.
#[derive(Debug)]
pub(super) struct Conventional<E> {
    inner: E,
    is_failing: AtomicBool,
}

impl<E> Conventional<E> {
    pub(super) fn new(inner: E) -> Self {
        Self {
            inner,
            is_failing: AtomicBool::new(false),
        }
    }

    fn note(&self, result: &OTelSdkResult) {
        let failed = result.is_err();
        if self.is_failing.swap(failed, Ordering::Relaxed) == failed {
            return;
        }
        match result {
            Ok(()) => tracing::info!("traces are exported again"),
            Err(error) => tracing::warn!(%error, "traces cannot be exported, and are dropped"),
        }
    }
}

impl<E: SpanExporter> SpanExporter for Conventional<E> {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        batch.iter_mut().for_each(rename);
        let result = self.inner.export(batch).await;
        self.note(&result);
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

fn rename(span: &mut SpanData) {
    if span.name == REQUEST {
        rename_request(span);
    } else if let Some(operation) = take(span, OPERATION) {
        span.name = Cow::Owned(format!("{} {operation}", span.name));
    }
}

fn rename_request(span: &mut SpanData) {
    span.span_kind = SpanKind::Server;
    // The span's own context and times say these.
    for field in ["trace_id", "traceparent", "latency_ms"] {
        take(span, field);
    }
    let method = take(span, "method").map_or_else(String::new, |method| method.to_string());
    let route = take(span, "route").map(|route| route.to_string());
    let route = route.filter(|route| route != UNMATCHED);
    let is_other = method == OTHER.0;
    let verb = if is_other { "HTTP" } else { &method };
    span.name = match &route {
        Some(route) => Cow::Owned(format!("{verb} {route}")),
        None => Cow::Owned(verb.to_owned()),
    };
    let method = if is_other { OTHER.1.to_owned() } else { method };
    let mut add = |key: &'static str, value: Value| span.attributes.push(KeyValue::new(key, value));
    add("http.request.method", method.into());
    if let Some(route) = route {
        add("http.route", route.into());
    }
    if let Some(client) = take(span, "client") {
        span.attributes
            .push(KeyValue::new("client.address", client));
    }
    // Unsigned numbers arrive as texts.
    let status = take(span, "status").and_then(|status| status.as_str().parse::<i64>().ok());
    if let Some(status) = status {
        let mut add = |key: &'static str, value: Value| {
            span.attributes.push(KeyValue::new(key, value));
        };
        add("http.response.status_code", status.into());
        if status >= 500 {
            add("error.type", status.to_string().into());
            span.status = Status::error("");
        }
    }
}

/// Takes an attribute out of a span.
fn take(span: &mut SpanData, key: &str) -> Option<Value> {
    let place = span
        .attributes
        .iter()
        .position(|attribute| attribute.key.as_str() == key)?;
    Some(span.attributes.swap_remove(place).value)
}
