//! A rejected request: its error, and the limit if it exceeded one.

use crate::middleware::rate_limit::outcome::RateLimitOutcome;
use crate::wire::problem::ApiError;

/// The rejection of a request before its handler is called.
#[derive(Debug)]
pub(crate) struct RequestRejection {
    pub(crate) error: ApiError,
    /// The exceeded limit, if a limit is the reason.
    pub(crate) outcome: Option<Box<RateLimitOutcome>>,
}

impl RequestRejection {
    /// The rejection for an exceeded limit.
    pub(crate) fn of(outcome: RateLimitOutcome) -> Self {
        Self {
            error: outcome.exceeded(1),
            outcome: Some(Box::new(outcome)),
        }
    }
}

impl From<ApiError> for RequestRejection {
    fn from(error: ApiError) -> Self {
        Self {
            error,
            outcome: None,
        }
    }
}
