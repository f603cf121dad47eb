//! One attempt to deliver a message to a webhook's receiver.

use crate::failure_reason::FailureReason;
use crate::lease::Attempt;
use crate::message_id::MessageId;
use crate::timestamp::Timestamp;

/// The record of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookAttempt {
    /// The message.
    pub message_id: MessageId,
    /// The number of the attempt.
    pub attempt: Attempt,
    /// When the request was started, by the clock of the process.
    pub at: Timestamp,
    /// The status code of the response; `None` if there was no response.
    pub status: Option<u16>,
    /// How long the attempt took, in milliseconds.
    pub milliseconds: u32,
    /// Why there was no usable response. `None` after a response with any status code.
    pub error: Option<FailureReason>,
}

impl WebhookAttempt {
    /// True if the receiver accepted the message: it responded with 2xx.
    pub fn succeeded(&self) -> bool {
        self.error.is_none()
            && self
                .status
                .is_some_and(|status| (200..300).contains(&status))
    }

    /// Why the attempt failed, as the reason of its rejected lease: the error, or `status 503`.
    /// `None` after a success.
    pub fn failure(&self) -> Option<FailureReason> {
        if self.succeeded() {
            return None;
        }
        let of_status = || {
            let text = match self.status {
                Some(status) => format!("status {status}"),
                None => "no response".to_owned(),
            };
            FailureReason::parse(&text).ok()
        };
        self.error.clone().or_else(of_status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: Option<u16>, error: Option<&str>) -> Option<String> {
        let attempt = WebhookAttempt {
            message_id: MessageId::MIN,
            attempt: Attempt::FIRST,
            at: Timestamp::default(),
            status,
            milliseconds: 1,
            error: error.map(|error| FailureReason::parse(error).unwrap()),
        };
        assert_eq!(attempt.succeeded(), attempt.failure().is_none());
        attempt.failure().map(|reason| reason.to_string())
    }

    #[test]
    fn only_2xx_is_a_success() {
        for status in [200, 204, 299] {
            assert_eq!(failure(Some(status), None), None);
        }
        for status in [100, 199, 300, 302, 410, 503] {
            assert_eq!(
                failure(Some(status), None),
                Some(format!("status {status}"))
            );
        }
        assert_eq!(failure(None, Some("timeout")).as_deref(), Some("timeout"));
        assert_eq!(failure(Some(200), Some("reset")).as_deref(), Some("reset"));
        assert_eq!(failure(None, None).as_deref(), Some("no response"));
    }
}
