//! When a worker pulls, and how much.

use std::time::Duration;

use posthorn_domain::{Backoff, DeliveryRate, PullLimit};

use super::pacer::Pacer;

/// The waits between pulls of a store that fails.
const RETRY: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

/// The state of the pulls of one worker. All times are of the monotonic clock.
pub(super) struct HandOut {
    /// True if a pull may hand something out now.
    wanted: bool,
    /// True while a pull is under way: there is one at a time.
    is_pulling: bool,
    /// When the passing of time alone may let a pull hand something out.
    due_at: Option<Duration>,
    /// No pull before this time, after a failure.
    retry_at: Duration,
    backoff: Backoff,
    /// The waits while the process has no connection left.
    shortage: Backoff,
    pacer: Pacer,
}

/// What a successful pull brought.
pub(super) struct HandedOut {
    /// The number of messages.
    pub(super) messages: usize,
    /// See [`crate::PulledLeases::more`].
    pub(super) more: bool,
    /// See [`crate::PulledLeases::next_due`].
    pub(super) next_due: Option<Duration>,
}

impl HandOut {
    pub(super) const fn new() -> Self {
        Self {
            wanted: false,
            is_pulling: false,
            due_at: None,
            retry_at: Duration::ZERO,
            backoff: RETRY,
            shortage: RETRY,
            pacer: Pacer::new(),
        }
    }

    /// The consumer changed.
    pub(super) const fn wake(&mut self) {
        self.wanted = true;
    }

    pub(super) const fn is_pulling(&self) -> bool {
        self.is_pulling
    }

    /// The limit of the pull to start now; `None` for no pull. `free` is the number of attempts that
    /// may start beside those under way.
    pub(super) fn start(
        &mut self,
        now: Duration,
        rate: Option<DeliveryRate>,
        free: usize,
    ) -> Option<PullLimit> {
        if self.due_at.is_some_and(|due| due <= now) {
            self.due_at = None;
            self.wanted = true;
        }
        if !self.wanted || self.is_pulling || now < self.retry_at {
            return None;
        }
        // A message that is pulled is attempted at once: its lease is for one attempt.
        let limit = self.pacer.allowed(now, rate, free);
        let limit = limit.min(PullLimit::MAX.get());
        let limit = PullLimit::parse(u64::try_from(limit).ok()?).ok()?;
        // A change during the pull asks for another one.
        self.wanted = false;
        self.is_pulling = true;
        Some(limit)
    }

    /// A pull of at most `limit` messages succeeded.
    pub(super) fn succeeded(
        &mut self,
        now: Duration,
        rate: Option<DeliveryRate>,
        limit: PullLimit,
        handed_out: &HandedOut,
    ) {
        self.is_pulling = false;
        self.backoff.reset();
        self.pacer.take(now, rate, handed_out.messages);
        self.wanted |= handed_out.more || handed_out.messages >= limit.get();
        self.due_at = handed_out.next_due.map(|wait| now.saturating_add(wait));
    }

    /// A pull failed.
    pub(super) fn failed(&mut self, now: Duration) {
        self.is_pulling = false;
        self.wanted = true;
        self.retry_at = now.saturating_add(self.backoff.next_wait());
    }

    /// An attempt could not start because the process has no connection left.
    pub(super) fn starved(&mut self, now: Duration) {
        self.wanted = true;
        let retry_at = now.saturating_add(self.shortage.next_wait());
        self.retry_at = self.retry_at.max(retry_at);
    }

    /// An attempt had a connection, or at least its turn.
    pub(super) const fn attempted(&mut self) {
        self.shortage.reset();
    }

    /// When [`HandOut::start`] has to be asked again if nothing happens before.
    pub(super) fn next_look(
        &self,
        now: Duration,
        rate: Option<DeliveryRate>,
        free: usize,
    ) -> Option<Duration> {
        if self.is_pulling {
            return None;
        }
        if !self.wanted {
            return self.due_at;
        }
        if now < self.retry_at {
            return Some(self.retry_at);
        }
        // A settled attempt frees a place and is an event.
        rate.filter(|_| free > 0)
            .map(|rate| self.pacer.next_at(rate))
    }
}
