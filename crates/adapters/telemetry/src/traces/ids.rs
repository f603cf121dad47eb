//! Generates the ids of traces and spans.

use std::cell::Cell;

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

thread_local! {
    /// The ids of the next root span on this thread.
    static NEXT_TRACE_ID: Cell<Option<TraceId>> = const { Cell::new(None) };
    static NEXT_SPAN_ID: Cell<Option<SpanId>> = const { Cell::new(None) };
}

/// Generates random ids, except for a root span whose ids are in the log already.
#[derive(Debug, Default)]
pub(super) struct TraceIds {
    random: RandomIdGenerator,
}

/// Runs `start`; a trace that it starts has the id `trace`, and the span has the id `span`.
pub(super) fn with_ids<T>(
    trace: Option<TraceId>,
    span: Option<SpanId>,
    start: impl FnOnce() -> T,
) -> T {
    NEXT_TRACE_ID.set(trace);
    NEXT_SPAN_ID.set(span);
    let result = start();
    NEXT_TRACE_ID.set(None);
    NEXT_SPAN_ID.set(None);
    result
}

impl IdGenerator for TraceIds {
    fn new_trace_id(&self) -> TraceId {
        NEXT_TRACE_ID
            .take()
            .unwrap_or_else(|| self.random.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        NEXT_SPAN_ID
            .take()
            .unwrap_or_else(|| self.random.new_span_id())
    }
}
