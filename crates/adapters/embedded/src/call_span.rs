//! The spans of calls of SQLite, with the attributes of OpenTelemetry's conventions.
//!
//! Source: <https://opentelemetry.io/docs/specs/semconv/db/database-spans/>.

use posthorn_application::{AppendError, ConsumerError, StoreError};
use tracing::{Instrument, field};

/// What a call does, for traces.
#[derive(Clone, Copy)]
pub(crate) struct SqlCall {
    /// The statement; `None` for a call of several.
    operation: Option<&'static str>,
    /// The table that it is about.
    table: &'static str,
}

/// An error of a call.
pub(crate) trait SqlCallError {
    /// The failure of the store; `None` if the store has rejected the call.
    fn failure(&self) -> Option<&StoreError>;
}

impl SqlCall {
    /// A statement on the table `table`.
    pub(crate) const fn new(operation: &'static str, table: &'static str) -> Self {
        Self {
            operation: Some(operation),
            table,
        }
    }

    /// Several statements, mostly on `table`.
    pub(crate) const fn on(table: &'static str) -> Self {
        Self {
            operation: None,
            table,
        }
    }

    /// Runs `call` in a span, which costs nothing unless something records it.
    pub(crate) async fn traced<T, E: SqlCallError>(
        self,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let span = tracing::debug_span!(
            "sqlite",
            otel.kind = "client",
            db.system.name = "sqlite",
            db.operation.name = self.operation,
            db.collection.name = self.table,
            "error.type" = field::Empty,
        );
        let result = call.instrument(span.clone()).await;
        if let Some(failure) = result.as_ref().err().and_then(SqlCallError::failure) {
            span.record("error.type", class(failure));
        }
        result
    }
}

const fn class(failure: &StoreError) -> &'static str {
    match failure {
        StoreError::Unavailable(_) => "unavailable",
        StoreError::Full(_) => "full",
        StoreError::Corrupt(_) => "corrupt",
    }
}

impl SqlCallError for StoreError {
    fn failure(&self) -> Option<&StoreError> {
        Some(self)
    }
}

impl SqlCallError for AppendError {
    fn failure(&self) -> Option<&StoreError> {
        match self {
            Self::Store(failure) => Some(failure),
            Self::KeyReused | Self::TooManyTopics | Self::TooLarge => None,
        }
    }
}

impl SqlCallError for ConsumerError {
    fn failure(&self) -> Option<&StoreError> {
        match self {
            Self::Store(failure) => Some(failure),
            Self::NotFound
            | Self::PreconditionFailed
            | Self::LimitReached
            | Self::TooManyTopics
            | Self::PositionAhead => None,
        }
    }
}
