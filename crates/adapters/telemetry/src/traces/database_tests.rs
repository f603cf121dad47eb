//! Spans of calls of databases as they are exported.

use opentelemetry::trace::{SpanKind, Status};
use tracing::{Span, field};

use super::test_export::{exported, only};

/// The span of a call of Redis.
fn redis_call() -> Span {
    tracing::debug_span!(
        "redis",
        trace_id = field::Empty,
        otel.kind = "client",
        db.system.name = "redis",
        db.operation.name = "XADD",
        db.namespace = "0",
        server.address = "a.redis",
        server.port = 6379_i64,
        "error.type" = field::Empty,
    )
}

#[test]
fn a_call_of_redis_is_named_by_its_operation_and_server() {
    let span = only(exported(|| drop(redis_call())));
    assert_eq!(span.name, "XADD a.redis:6379");
    assert_eq!(span.span_kind, SpanKind::Client);
    assert_eq!(span.status, Status::Unset);
}

#[test]
fn a_call_of_sqlite_is_named_by_its_operation_and_table() {
    let span = only(exported(|| {
        drop(tracing::debug_span!(
            "sqlite",
            trace_id = field::Empty,
            otel.kind = "client",
            db.system.name = "sqlite",
            db.operation.name = "INSERT",
            db.collection.name = "messages",
        ));
    }));
    assert_eq!(span.name, "INSERT messages");
}

#[test]
fn a_failed_call_is_an_error() {
    let span = only(exported(|| {
        redis_call().record("error.type", "unavailable");
    }));
    assert_eq!(span.status, Status::error(""));
}
