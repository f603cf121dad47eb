//! The health of a webhook, as its attempts show it.

use std::time::Duration;

use super::attempt::WebhookAttempt;
use crate::failure_reason::FailureReason;
use crate::timestamp::Timestamp;

/// The longest time between two failures of one run. The attempts at a message are a day apart at most: in
/// a longer time nothing was attempted, or a clock jumped.
const MAX_PAUSE: Duration = Duration::from_hours(48);

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
/// The last attempt is the one that was recorded last: the clocks of two processes may differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookHealth {
    /// Why it is disabled; `None` if it delivers.
    pub disabled: Option<DisableReason>,
    /// The time of the last attempt that succeeded.
    pub last_success_at: Option<Timestamp>,
    /// The time of the last attempt that failed.
    pub last_failure_at: Option<Timestamp>,
    /// The time of the first attempt that failed after the last success, since the webhook was last
    /// enabled, and without a longer pause than two days. `None` if there is none.
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
        let Some(failure) = attempt.failure() else {
            self.last_failed = false;
            self.last_success_at = Some(at);
            self.failing_since = None;
            return;
        };
        // Either way: a clock may go back too.
        let pause = |last: Timestamp| at.saturating_since(last).max(last.saturating_since(at));
        let goes_on = |last| pause(last) <= MAX_PAUSE;
        let since = self.failing_since;
        let since = since.filter(|_| self.last_failure_at.is_some_and(goes_on));
        self.failing_since = since.or(Some(at));
        self.last_failed = true;
        self.last_failure_at = Some(at);
        self.last_error = Some(failure);
    }

    /// The time from the first to the last attempt of the run of failures; zero if the last attempt
    /// succeeded. Only attempts count: a clock that jumps, or a time without the server, adds nothing.
    pub fn failed_for(&self) -> Duration {
        match (self.failing_since, self.last_failure_at) {
            (Some(since), Some(last)) => last.saturating_since(since),
            _ => Duration::ZERO,
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

    const DAY: u64 = 24 * 60 * 60 * 1_000;

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
    fn the_attempt_that_was_recorded_last_decides_whatever_its_time() {
        let (ahead, now) = (3 * DAY, 1);
        let mut health = WebhookHealth::default();
        record(&mut health, ahead, 200);
        record(&mut health, now, 500);
        assert_eq!(health.state(), WebhookState::Failing);
        assert_eq!(health.failing_since, Some(at(now)));
        record(&mut health, ahead, 503);
        record(&mut health, now, 200);
        assert_eq!(health.state(), WebhookState::Active);
        assert_eq!(health.failing_since, None);
        assert_eq!(health.last_success_at, Some(at(now)));
        assert_eq!(health.last_failure_at, Some(at(ahead)));
    }

    #[test]
    fn a_run_of_failures_lasts_from_its_first_to_its_last() {
        let mut health = WebhookHealth::default();
        assert_eq!(health.failed_for(), Duration::ZERO);
        for day in 1..=6 {
            record(&mut health, day * DAY, 500);
            assert_eq!(health.failed_for(), Duration::from_hours(24 * (day - 1)));
        }
        record(&mut health, 7 * DAY, 200);
        assert_eq!(health.failed_for(), Duration::ZERO);
    }

    #[test]
    fn a_longer_pause_than_two_days_or_a_jump_of_the_clock_starts_a_new_run() {
        let mut health = WebhookHealth::default();
        for millis in [DAY, 3 * DAY, 5 * DAY + 1, 405 * DAY, DAY, 3 * DAY + 1] {
            let goes_on = millis == 3 * DAY;
            record(&mut health, millis, 500);
            assert_eq!(!health.failed_for().is_zero(), goes_on, "{millis}");
        }
        record(&mut health, 2 * DAY, 500);
        assert_eq!(
            health.failed_for(),
            Duration::ZERO,
            "a clock that is behind"
        );
        assert_eq!(health.failing_since, Some(at(3 * DAY + 1)));
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
