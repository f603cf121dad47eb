//! The rate of a webhook's attempts in this process.

use std::time::Duration;

use posthorn_domain::DeliveryRate;

/// How far attempts that came late may catch up, where they are closer together than this: timers have
/// milliseconds, and at thousands of attempts in a second several are due at each tick.
const CATCH_UP: Duration = Duration::from_millis(10);

/// Spaces attempts evenly, so that no second has more than the rate allows (and what
/// [`CATCH_UP`] adds).
#[derive(Debug)]
pub(super) struct Pacer {
    /// When the last attempt started, or could have started, by the monotonic clock: the wait after it
    /// is that of the rate of the moment, which may have changed since.
    last_at: Option<Duration>,
}

impl Pacer {
    pub(super) const fn new() -> Self {
        Self { last_at: None }
    }

    /// How many attempts may start at the time `now`, at most `wanted`.
    pub(super) fn allowed(
        &self,
        now: Duration,
        rate: Option<DeliveryRate>,
        wanted: usize,
    ) -> usize {
        let Some(rate) = rate else {
            return wanted;
        };
        let start = self.start(now, rate);
        if start > now {
            return 0;
        }
        let late = now.saturating_sub(start).as_nanos();
        let more = late / rate.interval().as_nanos().max(1);
        usize::try_from(more).map_or(wanted, |more| more.saturating_add(1).min(wanted))
    }

    /// Counts `attempts` that start at the time `now`.
    pub(super) fn take(&mut self, now: Duration, rate: Option<DeliveryRate>, attempts: usize) {
        let (Some(rate), Some(after_first)) = (rate, attempts.checked_sub(1)) else {
            return;
        };
        let after_first = u32::try_from(after_first).unwrap_or(u32::MAX);
        let spacing = rate.interval().saturating_mul(after_first);
        self.last_at = Some(self.start(now, rate).saturating_add(spacing));
    }

    /// When the next attempt may start.
    pub(super) fn next_at(&self, rate: DeliveryRate) -> Duration {
        self.last_at
            .map_or(Duration::ZERO, |last| last.saturating_add(rate.interval()))
    }

    /// When the next attempt could have started.
    fn start(&self, now: Duration, rate: DeliveryRate) -> Duration {
        let catch_up = if rate.interval() < CATCH_UP {
            CATCH_UP
        } else {
            Duration::ZERO
        };
        self.next_at(rate).max(now.saturating_sub(catch_up))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The attempts in each of `seconds` seconds of a worker that looks every `tick`.
    fn simulate(per_second: f64, tick: Duration, seconds: usize) -> Vec<usize> {
        let rate = Some(DeliveryRate::parse(per_second).unwrap());
        let mut pacer = Pacer::new();
        let mut counts = vec![0; seconds];
        let mut now = Duration::from_secs(100);
        let end = now + Duration::from_secs(seconds as u64);
        while now < end {
            let allowed = pacer.allowed(now, rate, 1_000);
            pacer.take(now, rate, allowed);
            counts[usize::try_from(now.as_secs() - 100).unwrap()] += allowed;
            now += tick;
        }
        counts
    }

    #[test]
    fn no_second_has_more_attempts_than_the_rate() {
        let millisecond = Duration::from_millis(1);
        assert_eq!(simulate(1.0, millisecond, 3), [1, 1, 1]);
        assert_eq!(simulate(5.0, millisecond, 3), [5, 5, 5]);
        assert_eq!(simulate(0.5, millisecond, 4), [1, 0, 1, 0]);
        for count in simulate(3_000.0, Duration::from_micros(1_300), 4) {
            assert!((2_970..=3_040).contains(&count), "{count}");
        }
    }

    #[test]
    fn a_pause_gives_no_burst() {
        let rate = Some(DeliveryRate::parse(10.0).unwrap());
        let mut pacer = Pacer::new();
        pacer.take(Duration::from_secs(1), rate, 1);
        assert_eq!(pacer.allowed(Duration::from_mins(1), rate, 50), 1);
    }

    #[test]
    fn without_a_rate_everything_is_allowed() {
        let mut pacer = Pacer::new();
        pacer.take(Duration::ZERO, None, 1_000);
        assert_eq!(pacer.allowed(Duration::ZERO, None, 1_000), 1_000);
    }

    #[test]
    fn a_changed_rate_counts_from_the_last_attempt() {
        let rate = |per_second| Some(DeliveryRate::parse(per_second).unwrap());
        let (second, tenth) = (Duration::from_secs(1), Duration::from_millis(100));
        let mut pacer = Pacer::new();
        pacer.take(second, rate(0.001), 1);
        let raised = DeliveryRate::parse(10.0).unwrap();
        assert_eq!(pacer.next_at(raised), second + tenth);
        assert_eq!(pacer.allowed(second, Some(raised), 50), 0);
        assert_eq!(pacer.allowed(second + tenth, Some(raised), 50), 1);
        assert_eq!(pacer.allowed(100 * second, Some(raised), 50), 1);
        pacer.take(second + tenth, Some(raised), 1);
        assert_eq!(pacer.allowed(1_001 * second, rate(0.001), 50), 0);
        assert_eq!(pacer.allowed(1_002 * second, rate(0.001), 50), 1);
    }
}
