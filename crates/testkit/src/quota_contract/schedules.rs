//! Random schedules of requests: every window keeps its limit, whatever the times.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use posthorn_application::QuotaCounter;
use posthorn_domain::{Quota, QuotaRule, QuotaStrategy};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::strategy::{Just, ValueTree};
use proptest::test_runner::{Config, TestRunner};

use super::{QuotaHarness, STRATEGIES, hit, key, peek, rule, used};

const LIMITS: [&str; 4] = [
    "3 per second",
    "5 per 2 seconds;2 per second",
    "4 per minute;6 per 90 seconds",
    "1 per second;3 per 5 seconds;7 per minute",
];
/// The times between requests, in milliseconds.
const PAUSES: [u64; 8] = [0, 0, 1, 250, 999, 1000, 1001, 30_000];

/// A pause, then a number of requests of a key.
type ScheduleStep = (u64, u32, bool);

/// One request as observed by the caller, in microseconds since the epoch.
#[derive(Clone, Copy, Debug)]
struct Seen {
    sent: u64,
    ended: u64,
}

/// With a real clock: no window exceeds its limit, by the times of the caller.
pub async fn no_schedule_exceeds_a_limit(harness: impl QuotaHarness) {
    let handles = [harness.counter(), harness.other_process().await];
    let pauses = vec(prop_oneof![3 => Just(0_u64), 1 => 1..300_u64], 60);
    let mut runner = TestRunner::new(Config::default());
    let rules = STRATEGIES.map(|strategy| rule("3 per second;5 per 2 seconds", strategy));
    let pauses = pauses.new_tree(&mut runner).unwrap().current();
    let mut allowed: [Vec<Seen>; 2] = [Vec::new(), Vec::new()];
    for (number, pause) in pauses.iter().enumerate() {
        harness.pass(Duration::from_millis(*pause)).await;
        for (rule, allowed) in rules.iter().zip(&mut allowed) {
            let key = key(rule.strategy().as_str());
            let sent = now(&harness);
            if hit(&handles[number % 2], &key, rule).await.allowed {
                let ended = now(&harness);
                allowed.push(Seen { sent, ended });
            }
        }
    }
    for (rule, allowed) in rules.iter().zip(&allowed) {
        for quota in rule.limits() {
            check_promise(allowed, *quota, rule.strategy());
        }
        assert!(allowed.len() >= 3, "some of {pauses:?} were allowed");
    }
}

/// Checks the guarantee of the strategy for one limit, as far as the caller can observe it.
fn check_promise(allowed: &[Seen], quota: Quota, strategy: QuotaStrategy) {
    let length = u64::from(quota.window_seconds()) * 1_000_000;
    let count = usize::try_from(quota.count()).unwrap();
    for (first, seen) in allowed.iter().enumerate() {
        let within = match strategy {
            QuotaStrategy::MovingWindow => allowed[first..]
                .iter()
                .filter(|other| other.ended < seen.sent + length)
                .count(),
            QuotaStrategy::FixedWindow => {
                let window = seen.sent / length;
                let surely =
                    |other: &&Seen| other.sent / length == window && other.ended / length == window;
                allowed.iter().filter(surely).count()
            }
        };
        assert!(
            within <= count,
            "{within} of {quota} ({strategy:?}) in {allowed:?}"
        );
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the counter reads the real clock, too"
)]
fn now(harness: &impl QuotaHarness) -> u64 {
    use posthorn_application::Clock;

    let now = match harness.clock() {
        Some(clock) => {
            Duration::from_millis(crate::FakeClock::START.as_millis()) + clock.monotonic()
        }
        None => SystemTime::now().duration_since(UNIX_EPOCH).unwrap(),
    };
    u64::try_from(now.as_micros()).unwrap()
}

/// With a fake clock: compares the decisions on `cases` random schedules, each on a fresh counter made
/// by `make`, with the definition of each strategy: no request too many, and none too few.
///
/// # Panics
/// If a decision differs.
pub fn check_definition<H: QuotaHarness>(cases: u32, make: impl Fn() -> H) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let pause = (0..PAUSES.len(), 0..PAUSES.len()).prop_map(|(a, b)| PAUSES[a] + PAUSES[b]);
    let steps = vec((pause, 1..6_u32, any::<bool>()), 1..40);
    let schedules = (0..LIMITS.len(), any::<bool>(), steps);
    let outcome = TestRunner::new(config).run(&schedules, |(limits, moving, steps)| {
        let rule = rule(LIMITS[limits], STRATEGIES[usize::from(moving)]);
        runtime.block_on(check_schedule(&make(), &rule, &steps));
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

async fn check_schedule(harness: &impl QuotaHarness, rule: &QuotaRule, steps: &[ScheduleStep]) {
    let (clock, counter) = (harness.clock().unwrap(), harness.counter());
    let mut model = [Vec::new(), Vec::new()];
    let mut time = 0;
    for (pause, requests, other) in steps {
        clock.advance(Duration::from_millis(*pause));
        time += pause;
        let (key, allowed) = (
            key(if *other { "b" } else { "a" }),
            &mut model[usize::from(*other)],
        );
        for _ in 0..*requests {
            check_step(&counter, &key, rule, allowed, time).await;
        }
    }
    for allowed in &model {
        for quota in rule.limits() {
            let seen = allowed.iter().map(|at| Seen {
                sent: at * 1000,
                ended: at * 1000,
            });
            check_promise(&seen.collect::<Vec<_>>(), *quota, rule.strategy());
        }
    }
}

/// One request at `time`, compared with the definition over all requests allowed before.
async fn check_step(
    counter: &Arc<dyn QuotaCounter>,
    key: &posthorn_application::QuotaKey,
    rule: &QuotaRule,
    allowed: &mut Vec<u64>,
    time: u64,
) {
    let held = |quota: &Quota| {
        let length = u64::from(quota.window_seconds()) * 1000;
        let within = |at: &&u64| match rule.strategy() {
            QuotaStrategy::FixedWindow => **at / length == time / length,
            QuotaStrategy::MovingWindow => **at + length > time,
        };
        u32::try_from(allowed.iter().filter(within).count()).unwrap()
    };
    let before: Vec<_> = rule.limits().iter().map(held).collect();
    let expected = rule
        .limits()
        .iter()
        .zip(&before)
        .all(|(quota, held)| *held < quota.count());
    let seen = peek(counter, key, rule).await;
    assert_eq!(
        (seen.allowed, used(&seen)),
        (expected, before.clone()),
        "at {time}"
    );
    let decision = hit(counter, key, rule).await;
    let after: Vec<_> = before
        .iter()
        .map(|held| held + u32::from(expected))
        .collect();
    assert_eq!(
        (decision.allowed, used(&decision)),
        (expected, after),
        "at {time}"
    );
    if expected {
        allowed.push(time);
    }
}
