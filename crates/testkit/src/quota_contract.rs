//! The contract of `QuotaCounter` as tests: every adapter runs every case of it.
//!
//! An adapter implements [`QuotaHarness`] in its own tests and calls
//! [`quota_contract_tests!`](crate::quota_contract_tests).

pub mod counting;
pub mod edges;
pub mod keys;
pub mod schedules;
pub mod windows;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use posthorn_application::{QuotaClass, QuotaCounter, QuotaDecision, QuotaKey, QuotaScope};
use posthorn_domain::{Client, QuotaLimits, QuotaRule, QuotaStrategy};

use crate::fake_clock::FakeClock;

/// A fresh counter for one case.
#[async_trait]
pub trait QuotaHarness: Send + Sync {
    /// The counter.
    fn counter(&self) -> Arc<dyn QuotaCounter>;

    /// A handle of another process on the same counts; the same handle if processes share nothing.
    async fn other_process(&self) -> Arc<dyn QuotaCounter> {
        self.counter()
    }

    /// The clock that the counter reads; `None` if it reads a real clock.
    fn clock(&self) -> Option<&FakeClock> {
        None
    }

    /// Lets `duration` pass by the counter's clock.
    async fn pass(&self, duration: Duration) {
        match self.clock() {
            Some(clock) => clock.advance(duration),
            None => tokio::time::sleep(duration).await,
        }
    }
}

/// Both strategies.
pub const STRATEGIES: [QuotaStrategy; 2] =
    [QuotaStrategy::FixedWindow, QuotaStrategy::MovingWindow];

/// The rule of a text.
///
/// # Panics
/// If the text is not a list of limits.
pub fn rule(text: &str, strategy: QuotaStrategy) -> QuotaRule {
    QuotaRule::new(QuotaLimits::parse(text).unwrap(), strategy).unwrap()
}

/// The key of a subject for sending messages.
pub fn key(subject: &str) -> QuotaKey {
    QuotaKey {
        client: Client::of_subject(subject),
        scope: QuotaScope {
            class: QuotaClass::Message,
            route: "",
        },
    }
}

/// One counted request, which must not fail.
async fn hit(counter: &Arc<dyn QuotaCounter>, key: &QuotaKey, rule: &QuotaRule) -> QuotaDecision {
    counter.hit(key, rule).await.unwrap()
}

async fn peek(counter: &Arc<dyn QuotaCounter>, key: &QuotaKey, rule: &QuotaRule) -> QuotaDecision {
    counter.peek(key, rule).await.unwrap()
}

/// The number of requests in each window.
fn used(decision: &QuotaDecision) -> Vec<u32> {
    decision.windows.iter().map(|window| window.used).collect()
}

/// With a real clock: waits for the next fixed windows if one ends within `rest`, so that none ends
/// during a case.
async fn settle(harness: &impl QuotaHarness, rule: &QuotaRule, rest: Duration) {
    let key = key("settle");
    let windows = peek(&harness.counter(), &key, rule).await.windows;
    let soonest = windows.iter().map(|window| window.reset).min();
    if let Some(until_next) = soonest.filter(|until_next| *until_next < rest) {
        harness.pass(until_next).await;
    }
}

/// Expands into one `#[tokio::test]` for each case that every counter passes.
///
/// The argument is an expression that makes a fresh [`QuotaHarness`]; it may `.await`. The calling
/// crate needs `tokio` with the features `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! quota_contract_tests {
    ($harness:expr) => {
        $crate::contract_cases! { quota_contract, $harness;
            counting::a_limit_is_reached_and_not_exceeded,
            counting::a_denied_request_consumes_nothing,
            counting::all_windows_decide_together,
            counting::many_requests_are_counted_together_or_not_at_all,
            counting::peeking_consumes_nothing,
            counting::a_changed_limit_keeps_the_count,
            counting::concurrent_requests_do_not_exceed_the_limit,
            keys::keys_are_counted_apart,
            keys::processes_count_together,
            windows::capacity_returns_when_announced,
            windows::a_moving_window_frees_requests_one_by_one,
            windows::a_fixed_window_frees_all_requests_at_once,
            windows::windows_of_every_length_are_counted,
            schedules::no_schedule_exceeds_a_limit,
        }
    };
}

/// As [`quota_contract_tests!`], the cases for a counter with a fake clock.
#[macro_export]
macro_rules! quota_clock_tests {
    (cases = $cases:expr, $harness:expr) => {
        $crate::contract_cases! { quota_contract, $harness;
            edges::every_edge_of_a_window_is_exact,
            edges::a_step_of_the_wall_clock_opens_no_window,
        }

        #[test]
        fn every_schedule_is_decided_as_by_the_definition() {
            $crate::quota_contract::schedules::check_definition($cases, || $harness);
        }
    };
}
