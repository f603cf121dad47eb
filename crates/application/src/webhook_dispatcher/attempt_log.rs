//! Attempts that are not recorded yet.

use std::collections::VecDeque;
use std::time::Duration;

use posthorn_domain::WebhookAttempt;

use crate::ports::webhook_store::MAX_KEPT_ATTEMPTS;

/// The shortest time between two records of attempts.
const RECORD_INTERVAL: Duration = Duration::from_millis(250);

/// The last attempts of one webhook, up to the number that a store keeps, and the last one before
/// them that succeeded: it counts for the health.
#[derive(Debug, Default)]
pub(super) struct AttemptLog {
    attempts: VecDeque<WebhookAttempt>,
    success: Option<WebhookAttempt>,
    is_recording: bool,
    /// The earliest time of the next record, by the monotonic clock.
    record_at: Duration,
}

impl AttemptLog {
    /// True if all attempts are recorded.
    pub(super) fn is_done(&self) -> bool {
        self.attempts.is_empty() && !self.is_recording
    }

    /// When the next record is due, if nothing happens before.
    pub(super) fn next_record(&self) -> Option<Duration> {
        (!self.attempts.is_empty() && !self.is_recording).then_some(self.record_at)
    }

    /// The attempts to record now, the oldest first; `None` if no record is due. The last record of
    /// a webhook does not wait.
    pub(super) fn start(&mut self, now: Duration, is_last: bool) -> Option<Vec<WebhookAttempt>> {
        let record_at = self.next_record()?;
        if now < record_at && !is_last {
            return None;
        }
        self.is_recording = true;
        self.record_at = now.saturating_add(RECORD_INTERVAL);
        Some(self.take())
    }

    /// A record ended; `failed` are the attempts to record again.
    pub(super) fn ended(&mut self, failed: Vec<WebhookAttempt>) {
        self.is_recording = false;
        let newer = self.take();
        for attempt in failed.into_iter().chain(newer) {
            self.push(attempt);
        }
    }

    pub(super) fn push(&mut self, attempt: WebhookAttempt) {
        if self.attempts.len() >= MAX_KEPT_ATTEMPTS
            && let Some(oldest) = self.attempts.pop_front()
            && oldest.succeeded()
        {
            self.success = Some(oldest);
        }
        self.attempts.push_back(attempt);
    }

    /// Drops what is not recorded.
    pub(super) fn forget(&mut self) {
        drop(self.take());
    }

    fn take(&mut self) -> Vec<WebhookAttempt> {
        let attempts = self.attempts.drain(..);
        self.success.take().into_iter().chain(attempts).collect()
    }
}

#[cfg(test)]
mod tests {
    use posthorn_domain::{Attempt, MessageId, Timestamp};

    use super::*;

    fn attempt(number: u64, status: u16) -> WebhookAttempt {
        WebhookAttempt {
            message_id: MessageId::MIN,
            attempt: Attempt::FIRST,
            at: Timestamp::from_millis(number),
            status: Some(status),
            milliseconds: 1,
            error: None,
        }
    }

    fn times(attempts: &[WebhookAttempt]) -> Vec<u64> {
        attempts
            .iter()
            .map(|attempt| attempt.at.as_millis())
            .collect()
    }

    #[test]
    fn the_last_attempts_and_the_success_before_them_stay() {
        let mut log = AttemptLog::default();
        log.push(attempt(0, 204));
        for number in 1..=150 {
            log.push(attempt(number, 500));
        }
        let taken = times(&log.start(Duration::ZERO, false).unwrap());
        assert_eq!(taken.len(), MAX_KEPT_ATTEMPTS + 1);
        assert_eq!((taken[0], taken[1], taken[100]), (0, 51, 150));
        assert!(!log.is_done());
        log.ended(Vec::new());
        assert!(log.is_done());
    }

    #[test]
    fn attempts_that_could_not_be_recorded_come_first_in_the_next_record() {
        let second = Duration::from_secs(1);
        let mut log = AttemptLog::default();
        log.push(attempt(1, 200));
        log.push(attempt(2, 500));
        let failed = log.start(second, false).unwrap();
        log.push(attempt(3, 500));
        assert_eq!(log.next_record(), None, "one record at a time");
        log.ended(failed);
        assert_eq!(log.next_record(), Some(second + RECORD_INTERVAL));
        assert_eq!(log.start(second, false), None);
        let again = log.start(second, true).unwrap();
        assert_eq!(times(&again), [1, 2, 3]);
    }
}
