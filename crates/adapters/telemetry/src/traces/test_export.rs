//! Spans as they are exported, for tests.

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tracing_subscriber::layer::SubscriberExt;

use super::exporter::SemconvExporter;
use super::ids::TraceIds;
use super::{TraceSampler, layer};

/// The exported spans of `run`, in the order of their ends.
pub(super) fn exported(run: impl FnOnce()) -> Vec<SpanData> {
    let exporter = InMemorySpanExporter::default();
    let sampler: TraceSampler = "parentbased_always_on".parse().unwrap();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(SemconvExporter::new(exporter.clone()))
        .with_id_generator(TraceIds::default())
        .with_sampler(sampler.build())
        .build();
    let subscriber = tracing_subscriber::registry().with(layer::layer(provider.tracer("test")));
    tracing::subscriber::with_default(subscriber, run);
    exporter.get_finished_spans().unwrap()
}

/// The only span.
#[track_caller]
pub(super) fn only(mut spans: Vec<SpanData>) -> SpanData {
    assert_eq!(spans.len(), 1, "{spans:?}");
    spans.remove(0)
}

/// The attributes of a span, sorted.
pub(super) fn attributes(span: &SpanData) -> Vec<(String, String)> {
    let text = |attribute: &opentelemetry::KeyValue| {
        (attribute.key.to_string(), attribute.value.to_string())
    };
    let mut attributes: Vec<_> = span.attributes.iter().map(text).collect();
    attributes.sort();
    attributes
}
