//! Window edges, to the nanosecond, with a fake clock.

use std::time::Duration;

use posthorn_domain::QuotaStrategy::{self, FixedWindow, MovingWindow};

use super::{QuotaHarness, hit, key, peek, rule};
use crate::fake_clock::FakeClock;

/// Requests at some times, in nanoseconds after the first second of a day, and which are allowed.
struct EdgeCase {
    limits: &'static str,
    strategy: QuotaStrategy,
    requests: &'static [(u64, bool)],
}

const fn case(
    limits: &'static str,
    strategy: QuotaStrategy,
    requests: &'static [(u64, bool)],
) -> EdgeCase {
    EdgeCase {
        limits,
        strategy,
        requests,
    }
}

/// A second, a minute, an hour and a day in nanoseconds.
const S: u64 = 1_000_000_000;
const M: u64 = 60 * S;
const H: u64 = 60 * M;
const D: u64 = 24 * H;

/// Times increase within a case; a case starts at midnight.
const CASES: [EdgeCase; 12] = [
    // The last moment of a window and the first of the next one.
    case(
        "1 per minute",
        FixedWindow,
        &[
            (0, true),
            (1, false),
            (M - 1, false),
            (M, true),
            (M + 1, false),
        ],
    ),
    case(
        "1 per minute",
        FixedWindow,
        &[(M - 1, true), (M, true), (2 * M - 1, false), (2 * M, true)],
    ),
    // Twice the limit around an edge is what a fixed window allows.
    case(
        "2 per minute",
        FixedWindow,
        &[
            (M - 2, true),
            (M - 1, true),
            (M, true),
            (M + 1, true),
            (M + 2, false),
        ],
    ),
    // A moving window does not.
    case(
        "2 per minute",
        MovingWindow,
        &[
            (M - 2, true),
            (M - 1, true),
            (M, false),
            (2 * M - 3, false),
            (2 * M - 2, true),
            (2 * M - 2, false),
            (2 * M - 1, true),
            (2 * M, false),
        ],
    ),
    case(
        "1 per minute",
        MovingWindow,
        &[
            (0, true),
            (M - 1, false),
            (M, true),
            (2 * M - 1, false),
            (2 * M, true),
        ],
    ),
    // A denied request extends no window.
    case(
        "1 per second",
        MovingWindow,
        &[(0, true), (S / 2, false), (S - 1, false), (S, true)],
    ),
    // Windows of several units start at multiples of their length since the epoch.
    case(
        "1 per 5 minutes",
        FixedWindow,
        &[
            (4 * M, true),
            (5 * M - 1, false),
            (5 * M, true),
            (10 * M - 1, false),
        ],
    ),
    case(
        "1 per hour",
        FixedWindow,
        &[(H - 1, true), (H, true), (2 * H - 1, false)],
    ),
    case(
        "1 per day",
        FixedWindow,
        &[(0, true), (D - 1, false), (D, true)],
    ),
    // Two windows with a common edge, and one that ends within the other.
    case(
        "1 per minute;2 per hour",
        FixedWindow,
        &[
            (58 * M, true),
            (59 * M, true),
            (60 * M - 1, false),
            (H, true),
            (H + M, true),
            (H + 2 * M, false),
        ],
    ),
    case(
        "1 per minute;2 per hour",
        MovingWindow,
        &[
            (0, true),
            (M, true),
            (2 * M, false),
            (H - 1, false),
            (H, true),
            (H + M - 1, false),
            (H + M, true),
        ],
    ),
    // Long quiet times.
    case(
        "1 per second",
        FixedWindow,
        &[(0, true), (300 * D, true), (300 * D + S - 1, false)],
    ),
];

/// Row by row.
pub async fn every_edge_of_a_window_is_exact(harness: impl QuotaHarness) {
    let (clock, counter) = (harness.clock().unwrap(), harness.counter());
    for (number, case) in CASES.iter().enumerate() {
        advance_to_midnight(clock);
        let (key, rule) = (key(&number.to_string()), rule(case.limits, case.strategy));
        let mut passed = 0;
        for (at, allowed) in case.requests {
            clock.advance_nanos(at - passed);
            passed = *at;
            let place = format!("{} {:?} at {at}", case.limits, case.strategy);
            assert_eq!(
                peek(&counter, &key, &rule).await.allowed,
                *allowed,
                "{place}"
            );
            assert_eq!(
                hit(&counter, &key, &rule).await.allowed,
                *allowed,
                "{place}"
            );
        }
    }
}

/// Neither forth nor back.
pub async fn a_step_of_the_wall_clock_opens_no_window(harness: impl QuotaHarness) {
    use posthorn_application::Clock;

    let (clock, counter) = (harness.clock().unwrap(), harness.counter());
    for strategy in super::STRATEGIES {
        let (key, rule) = (key(strategy.as_str()), rule("1 per day", strategy));
        assert!(hit(&counter, &key, &rule).await.allowed);
        let now = clock.now();
        for step in [Duration::from_hours(48), Duration::ZERO] {
            clock.set_now(now.saturating_add(step));
            assert!(!hit(&counter, &key, &rule).await.allowed);
        }
        clock.set_now(now.saturating_sub(Duration::from_hours(48)));
        assert!(!hit(&counter, &key, &rule).await.allowed);
        clock.set_now(now);
    }
}

/// The clock starts at midnight, and only its monotonic time is read to the nanosecond.
fn advance_to_midnight(clock: &FakeClock) {
    use posthorn_application::Clock;

    let passed = u64::try_from(clock.monotonic().as_nanos()).unwrap();
    clock.advance_nanos(passed.next_multiple_of(D) - passed);
}
