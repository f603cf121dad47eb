//! The port that is notified of the attempts of webhooks; metrics implement it.

use std::time::Duration;

use posthorn_domain::DisableReason;

use super::webhook_sender::{WebhookReply, WebhookSendError};

/// Observes the attempts of all webhooks of the process.
///
/// # Contract
/// It MUST NOT block and MUST NOT call back into the caller.
pub trait WebhookObserver: Send + Sync {
    /// An attempt ended.
    fn attempted(&self, outcome: AttemptOutcome, duration: Duration);

    /// A webhook was disabled.
    fn disabled(&self, reason: DisableReason);
}

/// How an attempt ended, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttemptOutcome {
    /// The receiver responded with 2xx.
    Delivered,
    /// The receiver responded with another status.
    Rejected,
    /// There was no response in time.
    Timeout,
    /// The address of the receiver is forbidden.
    Forbidden,
    /// There was no connection or no valid response.
    Unreachable,
}

impl AttemptOutcome {
    /// All outcomes.
    pub const ALL: [Self; 5] = [
        Self::Delivered,
        Self::Rejected,
        Self::Timeout,
        Self::Forbidden,
        Self::Unreachable,
    ];

    /// The outcome of a request.
    pub const fn of(result: &Result<WebhookReply, WebhookSendError>) -> Self {
        match result {
            Ok(reply) if reply.is_success() => Self::Delivered,
            Ok(_) => Self::Rejected,
            Err(WebhookSendError::Timeout) => Self::Timeout,
            Err(WebhookSendError::Forbidden(_) | WebhookSendError::Insecure) => Self::Forbidden,
            Err(_) => Self::Unreachable,
        }
    }

    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Rejected => "rejected",
            Self::Timeout => "timeout",
            Self::Forbidden => "forbidden",
            Self::Unreachable => "unreachable",
        }
    }
}

/// Ignores everything.
impl WebhookObserver for () {
    fn attempted(&self, _: AttemptOutcome, _: Duration) {}

    fn disabled(&self, _: DisableReason) {}
}
