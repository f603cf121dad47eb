//! How windows pass. With a real clock these cases wait for a few seconds.

use std::time::Duration;

use posthorn_domain::QuotaStrategy;

use super::{QuotaHarness, STRATEGIES, hit, key, peek, rule, settle, used};

/// The latency of a decision.
const MOMENT: Duration = Duration::from_millis(1);

/// Waiting for the announced time is enough.
pub async fn capacity_returns_when_announced(harness: impl QuotaHarness) {
    let counter = harness.counter();
    for strategy in STRATEGIES {
        let (key, rule) = (
            key(strategy.as_str()),
            rule("2 per second;3 per 2 seconds", strategy),
        );
        settle(&harness, &rule, Duration::from_millis(500)).await;
        let mut allowed = 0;
        while allowed < 7 {
            let decision = hit(&counter, &key, &rule).await;
            if decision.allowed {
                allowed += 1;
                continue;
            }
            let wait = decision.retry_after();
            assert!(
                wait > Duration::ZERO && wait <= Duration::from_secs(2),
                "{wait:?}"
            );
            harness.pass(wait + MOMENT).await;
            assert!(peek(&counter, &key, &rule).await.allowed, "after {wait:?}");
        }
    }
}

/// Each request leaves when it is as old as the window.
pub async fn a_moving_window_frees_requests_one_by_one(harness: impl QuotaHarness) {
    let counter = harness.counter();
    let (key, rule) = (
        key("k"),
        rule("2 per 2 seconds", QuotaStrategy::MovingWindow),
    );
    assert_eq!(
        peek(&counter, &key, &rule).await.windows[0].reset,
        Duration::ZERO
    );
    assert!(hit(&counter, &key, &rule).await.allowed);
    harness.pass(Duration::from_millis(1200)).await;
    assert!(hit(&counter, &key, &rule).await.allowed);
    let full = hit(&counter, &key, &rule).await;
    assert!(
        !full.allowed && full.retry_after() <= Duration::from_millis(800),
        "{full:?}"
    );
    // The first request has left, the second has not.
    harness.pass(full.retry_after() + MOMENT).await;
    assert_eq!(used(&peek(&counter, &key, &rule).await), [1]);
    assert!(hit(&counter, &key, &rule).await.allowed);
    assert!(!hit(&counter, &key, &rule).await.allowed);
}

/// The next window starts empty.
pub async fn a_fixed_window_frees_all_requests_at_once(harness: impl QuotaHarness) {
    let counter = harness.counter();
    let (key, rule) = (
        key("k"),
        rule("3 per 2 seconds", QuotaStrategy::FixedWindow),
    );
    settle(&harness, &rule, Duration::from_millis(1500)).await;
    for number in 0..5 {
        assert_eq!(hit(&counter, &key, &rule).await.allowed, number < 3);
    }
    let wait = peek(&counter, &key, &rule).await.windows[0].reset;
    harness.pass(wait + MOMENT).await;
    assert_eq!(used(&peek(&counter, &key, &rule).await), [0]);
    for number in 0..5 {
        assert_eq!(hit(&counter, &key, &rule).await.allowed, number < 3);
    }
}

/// From a second to ten years.
pub async fn windows_of_every_length_are_counted(harness: impl QuotaHarness) {
    let counter = harness.counter();
    let text = "9/second;8/minute;7/hour;6/day;5/month;4/year;3 per 10 years";
    for strategy in STRATEGIES {
        let (key, rule) = (key(strategy.as_str()), rule(text, strategy));
        settle(&harness, &rule, Duration::from_millis(500)).await;
        for number in 0..4 {
            let decision = hit(&counter, &key, &rule).await;
            assert_eq!(decision.allowed, number < 3, "{decision:?}");
            for window in &decision.windows {
                assert!(window.reset <= window.quota.window(), "{window:?}");
            }
        }
        let tightest = hit(&counter, &key, &rule).await;
        assert_eq!(
            tightest.tightest().map(|window| window.quota),
            rule.limits().last().copied()
        );
    }
}
