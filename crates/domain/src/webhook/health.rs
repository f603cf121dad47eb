//! The health of a webhook, as its attempts show it.

use super::attempt::WebhookAttempt;
use crate::failure_reason::FailureReason;
use crate::timestamp::Timestamp;

/// Why a webhook is disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DisableReason {
    /// The receiver responded with 410.
    Gone,
    /// No attempt succeeded for too long.
    NoSuccess,
}

/// The state of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WebhookState {
    /// It delivers, and its last attempt did not fail.
    Active,
    /// It delivers, and its last attempt failed.
    Failing,
    /// It delivers nothing until it is enabled.
    Disabled,
}

/// What the attempts of a webhook show.
///
/// The attempts of several processes may be recorded out of order; the times of the attempts decide.
/// Of two attempts of the same millisecond, the one recorded later is the later one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookHealth {
    /// Why it is disabled; `None` if it delivers.
    pub disabled: Option<DisableReason>,
    /// The time of the last attempt that succeeded.
    pub last_success_at: Option<Timestamp>,
    /// The time of the last attempt that failed.
    pub last_failure_at: Option<Timestamp>,
    /// The time of the first attempt that failed after the last success and since the webhook was
    /// last enabled. `None` if there is none.
    pub failing_since: Option<Timestamp>,
    /// True if the last attempt failed.
    pub last_failed: bool,
    /// The failure of the last attempt that failed.
    pub last_error: Option<FailureReason>,
}

impl DisableReason {
    /// The name in stores and responses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::NoSuccess => "no-success",
        }
    }

    /// The reason of this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Gone, Self::NoSuccess]
            .into_iter()
            .find(|reason| reason.as_str() == name)
    }
}

impl WebhookState {
    /// The name in responses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Failing => "failing",
            Self::Disabled => "disabled",
        }
    }
}

impl WebhookHealth {
    /// The state.
    pub const fn state(&self) -> WebhookState {
        match (self.disabled, self.last_failed) {
            (Some(_), _) => WebhookState::Disabled,
            (None, true) => WebhookState::Failing,
            (None, false) => WebhookState::Active,
        }
    }

    /// Adds an attempt.
    pub fn record(&mut self, attempt: &WebhookAttempt) {
        let at = attempt.at;
        let last = self.last_success_at.max(self.last_failure_at);
        let failure = attempt.failure();
        if Some(at) >= last {
            self.last_failed = failure.is_some();
        }
        let Some(failure) = failure else {
            self.last_success_at = self.last_success_at.max(Some(at));
            // A later failure that was recorded before this success still counts.
            if self.failing_since.is_some_and(|since| since <= at) {
                self.failing_since = self.last_failure_at.filter(|failure| *failure > at);
            }
            return;
        };
        if Some(at) >= self.last_failure_at {
            self.last_failure_at = Some(at);
            self.last_error = Some(failure);
        }
        // A failure from before the last success does not count.
        if Some(at) >= self.last_success_at {
            let since = self.failing_since.map_or(at, |since| since.min(at));
            self.failing_since = Some(since);
        }
    }

    /// Disables the webhook, or enables it when `reason` is `None`. Enabling forgets since when the
    /// attempts have failed. Returns false if the webhook was in that state already; a disabled
    /// webhook keeps its reason.
    pub fn set_disabled(&mut self, reason: Option<DisableReason>) -> bool {
        if self.disabled.is_some() == reason.is_some() {
            return false;
        }
        self.disabled = reason;
        if reason.is_none() {
            self.failing_since = None;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::Attempt;
    use crate::message_id::MessageId;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn record(health: &mut WebhookHealth, millis: u64, status: u16) {
        health.record(&WebhookAttempt {
            message_id: MessageId::MIN,
            attempt: Attempt::FIRST,
            at: at(millis),
            status: Some(status),
            milliseconds: 1,
            error: None,
        });
    }

    #[test]
    fn a_success_ends_a_run_of_failures() {
        let mut health = WebhookHealth::default();
        assert_eq!(health.state(), WebhookState::Active);
        record(&mut health, 1, 500);
        record(&mut health, 2, 503);
        assert_eq!(health.state(), WebhookState::Failing);
        assert_eq!(health.failing_since, Some(at(1)));
        assert_eq!(health.last_error.as_ref().unwrap().as_str(), "status 503");
        record(&mut health, 3, 200);
        assert_eq!(health.state(), WebhookState::Active);
        assert_eq!(health.failing_since, None);
        assert_eq!(health.last_success_at, Some(at(3)));
        assert_eq!(health.last_failure_at, Some(at(2)));
        record(&mut health, 3, 500);
        assert_eq!(health.failing_since, Some(at(3)));
    }

    #[test]
    fn the_order_of_recording_does_not_matter() {
        let attempts = [(1, 200), (2, 500), (4, 502), (5, 200), (7, 503), (9, 504)];
        let mut in_order = WebhookHealth::default();
        for (millis, status) in attempts {
            record(&mut in_order, millis, status);
        }
        assert_eq!(in_order.failing_since, Some(at(7)));
        for first in 0..attempts.len() {
            for second in 0..attempts.len() {
                let mut swapped = attempts;
                swapped.swap(first, second);
                let mut health = WebhookHealth::default();
                for (millis, status) in swapped {
                    record(&mut health, millis, status);
                }
                // Later than the first failure where a success was recorded late, never earlier.
                assert!(
                    health.failing_since >= in_order.failing_since,
                    "{swapped:?}"
                );
                health.failing_since = in_order.failing_since;
                assert_eq!(health, in_order, "{swapped:?}");
            }
        }
    }

    #[test]
    fn enabling_restarts_the_run_of_failures() {
        let mut health = WebhookHealth::default();
        record(&mut health, 1, 410);
        assert!(health.set_disabled(Some(DisableReason::Gone)));
        assert!(!health.set_disabled(Some(DisableReason::NoSuccess)));
        assert_eq!(health.disabled, Some(DisableReason::Gone));
        assert_eq!(health.state(), WebhookState::Disabled);
        assert_eq!(health.failing_since, Some(at(1)));
        assert!(health.set_disabled(None));
        assert!(!health.set_disabled(None));
        assert_eq!(health.failing_since, None);
        assert_eq!(health.state(), WebhookState::Failing);
        record(&mut health, 9, 500);
        assert_eq!(health.failing_since, Some(at(9)));
    }

    #[test]
    fn reasons_have_names() {
        for reason in [DisableReason::Gone, DisableReason::NoSuccess] {
            assert_eq!(DisableReason::parse(reason.as_str()), Some(reason));
        }
        assert_eq!(DisableReason::parse("other"), None);
    }
}
