//! Protection against a wall clock that jumps: how far stored records may expire.

use std::time::Duration;

use posthorn_domain::Timestamp;

/// The smallest deviation that is logged.
const LOGGED: Duration = Duration::from_mins(1);
/// How long a wall clock must be ahead steadily before it is believed. A wrong clock is usually repaired
/// earlier, and pruning that begins an hour late does no harm.
const BELIEVED_AHEAD: Duration = Duration::from_hours(1);
/// How long a wall clock must be behind steadily before it is believed. A device without a battery for
/// its clock may wait long for the network.
const BELIEVED_BEHIND: Duration = Duration::from_hours(24);
/// The deviation of a steady wall clock from the monotonic one in this time: NTP slews by 500 ppm at
/// most, which is 1.8 s in an hour and 43 s in a day.
const STEADY: Duration = Duration::from_mins(1);

/// Two times between which the true time is believed to be.
///
/// What expired by `earliest` may be forgotten; what is stored is dated `latest`. While the wall clock
/// is trusted, both are its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeBounds {
    /// The earlier time.
    pub earliest: Timestamp,
    /// The later time.
    pub latest: Timestamp,
    /// The time of the wall clock, by which leases and waits end.
    pub wall: Timestamp,
}

impl TimeBounds {
    /// The bounds from the wall clock and the trusted time.
    pub fn new(wall: Timestamp, trusted: Timestamp) -> Self {
        Self {
            earliest: wall.min(trusted),
            latest: wall.max(trusted),
            wall,
        }
    }
}

/// The trusted time: it starts from the last time that a store has seen, and advances with the monotonic
/// clock, at most to the wall clock.
///
/// A wall clock that differs is believed after it has been steady for an hour (ahead) or a day (behind).
/// The time between two processes looks like a jump, so that expiry waits for up to an hour after a start.
#[derive(Clone, Copy, Debug)]
pub struct ClockGuard {
    trusted: Timestamp,
    /// A trusted time and the monotonic time that belongs to it.
    anchor: (Timestamp, Duration),
    doubt: Option<ClockDoubt>,
    is_reported: bool,
}

/// A wall clock that differs from the trusted time.
#[derive(Clone, Copy, Debug)]
struct ClockDoubt {
    is_ahead: bool,
    wall: Timestamp,
    since: Duration,
}

impl ClockGuard {
    /// A guard that trusts `seen` at the monotonic time `monotonic`.
    pub fn new(seen: Timestamp, monotonic: Duration) -> Self {
        Self {
            trusted: seen,
            anchor: (seen, monotonic),
            doubt: None,
            is_reported: false,
        }
    }

    /// Advances to the current readings of both clocks and returns the trusted time. Logs when the wall
    /// clock begins or ceases to differ from it.
    pub fn advance(&mut self, wall: Timestamp, monotonic: Duration) -> Timestamp {
        let reachable = self.reachable(monotonic);
        if wall > reachable {
            self.trusted = self.trusted.max(reachable);
            self.doubt(wall, monotonic, true);
        } else if wall < self.trusted {
            self.doubt(wall, monotonic, false);
        } else {
            self.trust(wall, monotonic);
        }
        self.report(wall);
        self.trusted
    }

    /// The trusted time at the monotonic time `monotonic`, if the wall clock is not behind it.
    pub fn reachable(&self, monotonic: Duration) -> Timestamp {
        let elapsed = monotonic.saturating_sub(self.anchor.1);
        self.anchor.0.saturating_add(elapsed)
    }

    /// Trusts `seen` at the monotonic time `monotonic`, if it is later than the trusted time.
    pub fn raise(&mut self, seen: Timestamp, monotonic: Duration) {
        if seen > self.reachable(monotonic) {
            self.trusted = seen;
            self.anchor = (seen, monotonic);
        }
    }

    fn trust(&mut self, wall: Timestamp, monotonic: Duration) {
        self.trusted = wall;
        self.anchor = (wall, monotonic);
        self.doubt = None;
    }

    /// Doubts a wall clock that differs, or believes it after its time.
    fn doubt(&mut self, wall: Timestamp, monotonic: Duration, is_ahead: bool) {
        let new = ClockDoubt {
            is_ahead,
            wall,
            since: monotonic,
        };
        let doubt = self.doubt.filter(|doubt| doubt.is_ahead == is_ahead);
        let doubt = *self.doubt.insert(doubt.unwrap_or(new));
        let age = monotonic.saturating_sub(doubt.since);
        let expected = doubt.wall.saturating_add(age);
        let bounds = TimeBounds::new(wall, expected);
        if bounds.latest.saturating_since(bounds.earliest) > STEADY {
            self.doubt = Some(new);
            return;
        }
        let believed = if is_ahead {
            BELIEVED_AHEAD
        } else {
            BELIEVED_BEHIND
        };
        if age >= believed {
            self.trust(wall, monotonic);
        }
    }

    fn report(&mut self, wall: Timestamp) {
        let ahead = wall.saturating_since(self.trusted);
        let behind = self.trusted.saturating_since(wall);
        let differs = ahead.max(behind) >= LOGGED;
        if differs == self.is_reported {
            return;
        }
        self.is_reported = differs;
        if !differs {
            tracing::info!("the clock is trusted again");
        } else if ahead > behind {
            tracing::warn!(
                ahead_seconds = ahead.as_secs(),
                "the clock is ahead of what the store has seen, after a jump or a stop: nothing expires \
                 by it until it has been steady for an hour"
            );
        } else {
            tracing::warn!(
                behind_seconds = behind.as_secs(),
                "the clock is behind what the store has seen: nothing expires until it has caught up, or \
                 has been steady for a day"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_795_392_000_000);
    const DAY: Duration = Duration::from_hours(24);
    const MINUTE: Duration = Duration::from_mins(1);

    /// A guard, and clocks that the test moves.
    struct Case {
        guard: ClockGuard,
        wall: Timestamp,
        monotonic: Duration,
    }

    impl Case {
        fn new() -> Self {
            Self {
                guard: ClockGuard::new(START, Duration::ZERO),
                wall: START,
                monotonic: Duration::ZERO,
            }
        }

        /// Lets `duration` pass by both clocks, in steps of a minute, and returns the trusted time.
        fn pass(&mut self, duration: Duration) -> Timestamp {
            let end = self.monotonic + duration;
            while self.monotonic < end {
                let step = MINUTE.min(end.saturating_sub(self.monotonic));
                self.monotonic += step;
                self.wall = self.wall.saturating_add(step);
                self.read();
            }
            self.read()
        }

        fn read(&mut self) -> Timestamp {
            self.guard.advance(self.wall, self.monotonic)
        }

        /// The true time, if no jump of the wall clock was one.
        fn truth(&self) -> Timestamp {
            START.saturating_add(self.monotonic)
        }
    }

    #[test]
    fn a_steady_clock_is_followed_to_the_millisecond() {
        let mut case = Case::new();
        for passed in [0, 1, 1_000, 86_400_000, 7] {
            let passed = Duration::from_millis(passed);
            assert_eq!(case.pass(passed), case.wall);
            assert_eq!(case.wall, case.truth());
        }
    }

    #[test]
    fn readings_within_a_millisecond_do_not_hold_the_time_back() {
        let mut case = Case::new();
        for _ in 0..10_000 {
            case.monotonic += Duration::from_micros(300);
            case.wall = START.saturating_add(case.monotonic);
            case.read();
        }
        let behind = case.wall.saturating_since(case.read());
        assert!(behind <= Duration::from_millis(1), "{behind:?}");
    }

    #[test]
    fn a_jump_ahead_and_back_has_no_effect() {
        let mut case = Case::new();
        case.pass(DAY);
        case.wall = case.wall.saturating_add(400 * DAY);
        assert_eq!(case.read(), case.truth());
        assert_eq!(case.pass(59 * MINUTE), case.truth());
        case.wall = case.truth();
        assert_eq!(case.pass(10 * DAY), case.truth());
    }

    #[test]
    fn a_clock_that_stays_ahead_is_believed_after_an_hour() {
        let mut case = Case::new();
        case.wall = case.wall.saturating_add(3 * DAY);
        case.read();
        assert_eq!(case.pass(59 * MINUTE), case.truth());
        assert_eq!(case.pass(MINUTE), case.wall);
        assert_eq!(case.pass(DAY), case.wall);
    }

    #[test]
    fn a_clock_that_jumps_again_is_not_believed() {
        let mut case = Case::new();
        for _ in 0..10 {
            case.wall = case.wall.saturating_add(DAY);
            case.read();
            assert_eq!(case.pass(59 * MINUTE), case.truth());
        }
    }

    #[test]
    fn a_clock_that_goes_back_stops_the_time_until_it_returns() {
        let mut case = Case::new();
        case.pass(DAY);
        let before = case.read();
        case.wall = START.saturating_sub(400 * DAY);
        assert_eq!(case.pass(23 * 60 * MINUTE), before);
        case.wall = case.truth();
        assert_eq!(case.read(), case.truth(), "the monotonic clock went on");
    }

    #[test]
    fn a_clock_that_stays_behind_is_believed_after_a_day() {
        let mut case = Case::new();
        case.wall = START.saturating_sub(400 * DAY);
        case.read();
        assert_eq!(case.pass(DAY.saturating_sub(MINUTE)), START);
        assert_eq!(case.pass(MINUTE), case.wall);
    }

    #[test]
    fn the_time_between_two_processes_is_believed_after_an_hour() {
        let mut case = Case::new();
        case.guard = ClockGuard::new(START.saturating_sub(8 * DAY), Duration::ZERO);
        let started = START.saturating_sub(8 * DAY);
        case.read();
        let before = case.pass(59 * MINUTE);
        assert_eq!(before, started.saturating_add(59 * MINUTE));
        assert_eq!(case.pass(MINUTE), case.wall);
    }
}
