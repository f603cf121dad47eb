//! Generates the ids of traces and spans.

use std::cell::Cell;

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

thread_local! {
    /// The trace id of the next root span on this thread.
    static NEXT_TRACE_ID: Cell<Option<TraceId>> = const { Cell::new(None) };
}

/// Generates random ids, except for a trace whose id is in the log already.
#[derive(Debug, Default)]
pub(super) struct TraceIds {
    random: RandomIdGenerator,
}

/// Runs `start`; a trace that it starts has the id `trace`.
pub(super) fn with_trace_id<T>(trace: Option<TraceId>, start: impl FnOnce() -> T) -> T {
    NEXT_TRACE_ID.set(trace);
    let result = start();
    NEXT_TRACE_ID.set(None);
    result
}

impl IdGenerator for TraceIds {
    fn new_trace_id(&self) -> TraceId {
        NEXT_TRACE_ID
            .take()
            .unwrap_or_else(|| self.random.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        self.random.new_span_id()
    }
}
