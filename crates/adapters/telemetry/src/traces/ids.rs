//! The ids of traces and spans.

use std::cell::Cell;

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

thread_local! {
    /// The id of the trace that the next root span of this thread begins.
    static NEXT: Cell<Option<TraceId>> = const { Cell::new(None) };
}

/// Random ids, but for a trace whose id the log has already.
#[derive(Debug, Default)]
pub(super) struct Ids {
    random: RandomIdGenerator,
}

/// Runs `begin`; a trace that begins in it has the id `trace`.
pub(super) fn with_trace_id<T>(trace: Option<TraceId>, begin: impl FnOnce() -> T) -> T {
    NEXT.set(trace);
    let result = begin();
    NEXT.set(None);
    result
}

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        NEXT.take().unwrap_or_else(|| self.random.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        self.random.new_span_id()
    }
}
