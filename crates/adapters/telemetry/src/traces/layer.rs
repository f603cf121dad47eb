//! Converts spans of `tracing` to spans of OpenTelemetry. A span with a field `trace_id` is recorded wherever it begins:
//! the span of a request, or of an attempt of a webhook. Its own id is in its field `span_id`, if the log has it. Its
//! field `traceparent` has the trace context of the client or of the message, as in the header of that name; these names
//! are all that the log and the traces agree on with the code that creates the span.

use std::collections::HashMap;

use opentelemetry::Context as TraceContext;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::Tracer;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::DynFilterFn;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::ids;

/// The field of a root span with the id of its trace.
pub(super) const TRACE_ID: &str = "trace_id";
/// The field of a root span with its id.
pub(super) const SPAN_ID: &str = "span_id";
/// The field of a root span with the client's trace context.
pub(super) const TRACEPARENT: &str = "traceparent";

/// The layer of `tracing-opentelemetry`, whose root spans continue the trace in their fields.
struct TraceLayer<S> {
    inner: OpenTelemetryLayer<S, Tracer>,
    propagator: TraceContextPropagator,
}

/// The trace in the fields of a root span.
#[derive(Default)]
struct TraceFields {
    trace: Option<TraceId>,
    span: Option<SpanId>,
    carrier: HashMap<String, String>,
}

/// The layer for `tracer`. It gets Posthorn's own spans and events alone: root spans and what is within them, and no
/// event of a level that may contain a message's text.
pub(crate) fn layer<S>(tracer: Tracer) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let is_recorded = |metadata: &Metadata<'_>, context: &Context<'_, S>| {
        is_ours(metadata) && (is_root(metadata) || context.lookup_current().is_some())
    };
    let filter = DynFilterFn::new(is_recorded)
        .with_callsite_filter(|metadata| {
            if !is_ours(metadata) {
                Interest::never()
            } else if is_root(metadata) {
                Interest::always()
            } else {
                Interest::sometimes()
            }
        })
        .with_max_level_hint(LevelFilter::DEBUG);
    TraceLayer::new(tracer).with_filter(filter)
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    let highest = if metadata.is_span() {
        Level::DEBUG
    } else {
        Level::INFO
    };
    metadata.target().starts_with("posthorn") && *metadata.level() <= highest
}

/// True for a span that continues or starts a trace.
fn is_root(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.fields().field(TRACE_ID).is_some()
}

impl<S> TraceLayer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn new(tracer: Tracer) -> Self {
        let inner = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false);
        Self {
            inner,
            propagator: TraceContextPropagator::new(),
        }
    }
}

impl<S> Layer<S> for TraceLayer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if !is_root(attributes.metadata()) {
            return self.inner.on_new_span(attributes, id, context);
        }
        let mut fields = TraceFields::default();
        attributes.record(&mut fields);
        // Without a trace context the span that it begins in, if any, is the parent.
        let parent = if fields.carrier.is_empty() {
            TraceContext::current()
        } else {
            let propagator = &self.propagator;
            propagator.extract_with_context(&TraceContext::new(), &fields.carrier)
        };
        let _parent = parent.attach();
        ids::with_ids(fields.trace, fields.span, || {
            self.inner.on_new_span(attributes, id, context.clone());
            // The first entry starts the span, which generates its ids.
            self.inner.on_enter(id, context.clone());
            self.inner.on_exit(id, context);
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.inner.on_record(id, values, context);
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, context: Context<'_, S>) {
        self.inner.on_follows_from(id, follows, context);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        self.inner.on_event(event, context);
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        self.inner.on_enter(id, context);
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        self.inner.on_exit(id, context);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.inner.on_close(id, context);
    }
}

impl Visit for TraceFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            TRACE_ID => self.trace = TraceId::from_hex(value).ok(),
            SPAN_ID => self.span = SpanId::from_hex(value).ok(),
            TRACEPARENT => {
                self.carrier
                    .insert(TRACEPARENT.to_owned(), value.to_owned());
            }
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}
