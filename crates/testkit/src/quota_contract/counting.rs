//! Which requests count.

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::QuotaWindow;
use tokio::task::JoinSet;

use super::{QuotaHarness, STRATEGIES, hit, key, peek, rule, settle, used};

/// Longer than any case.
const REST: Duration = Duration::from_secs(30);

/// Exactly as many as the limit, and each decision has the count.
pub async fn a_limit_is_reached_and_not_exceeded(harness: impl QuotaHarness) {
    let counter = harness.counter();
    for strategy in STRATEGIES {
        let (key, rule) = (key(strategy.as_str()), rule("10 per day", strategy));
        settle(&harness, &rule, REST).await;
        for number in 1..=10 {
            let decision = hit(&counter, &key, &rule).await;
            assert!(decision.allowed, "{number}: {decision:?}");
            assert_eq!(used(&decision), [number]);
            assert_eq!(decision.windows[0].remaining(), 10 - number);
        }
        for _ in 0..3 {
            let decision = hit(&counter, &key, &rule).await;
            assert!(!decision.allowed, "{decision:?}");
            assert_eq!(used(&decision), [10]);
            assert!(decision.retry_after() > Duration::ZERO);
            assert!(decision.retry_after() <= Duration::from_hours(24));
        }
    }
}

/// The longer window counts the allowed requests only.
pub async fn a_denied_request_consumes_nothing(harness: impl QuotaHarness) {
    let counter = harness.counter();
    for strategy in STRATEGIES {
        // The full window is before and after the other one.
        for text in ["2 per hour;5 per day", "5 per day;2 per hour"] {
            let (key, rule) = (
                key(&format!("{text} {}", strategy.as_str())),
                rule(text, strategy),
            );
            settle(&harness, &rule, REST).await;
            for number in 0..20 {
                assert_eq!(hit(&counter, &key, &rule).await.allowed, number < 2);
            }
            assert_eq!(used(&peek(&counter, &key, &rule).await), [2, 2]);
        }
    }
}

/// The tightest window decides, and the decision names it.
pub async fn all_windows_decide_together(harness: impl QuotaHarness) {
    let counter = harness.counter();
    for strategy in STRATEGIES {
        let (key, rule) = (
            key(strategy.as_str()),
            rule("9 per hour;3 per day;8 per year", strategy),
        );
        settle(&harness, &rule, REST).await;
        for number in 1..=3 {
            assert_eq!(used(&hit(&counter, &key, &rule).await), [number; 3]);
        }
        let denied = hit(&counter, &key, &rule).await;
        assert!(!denied.allowed);
        let quota = denied.tightest().map(|window| window.quota);
        assert_eq!(quota, Some(rule.limits()[1]));
        assert_eq!(denied.retry_after(), denied.windows[1].reset);
        let room: Vec<_> = denied.windows.iter().map(QuotaWindow::remaining).collect();
        assert_eq!(room, [6, 0, 5]);
    }
}

/// However often, and also for an unknown key.
pub async fn peeking_consumes_nothing(harness: impl QuotaHarness) {
    let counter = harness.counter();
    for strategy in STRATEGIES {
        let (key, rule) = (key(strategy.as_str()), rule("2 per day", strategy));
        settle(&harness, &rule, REST).await;
        for number in 0..=2 {
            for _ in 0..5 {
                let seen = peek(&counter, &key, &rule).await;
                assert_eq!((seen.allowed, used(&seen)), (number < 2, vec![number]));
            }
            hit(&counter, &key, &rule).await;
        }
    }
}

/// A larger limit allows the difference, a smaller one nothing, and both keep the count.
pub async fn a_changed_limit_keeps_the_count(harness: impl QuotaHarness) {
    let counter = harness.counter();
    for strategy in STRATEGIES {
        let key = key(strategy.as_str());
        let rule = |count: u32| rule(&format!("{count} per day"), strategy);
        settle(&harness, &rule(4), REST).await;
        for _ in 0..4 {
            assert!(hit(&counter, &key, &rule(4)).await.allowed);
        }
        let smaller = hit(&counter, &key, &rule(2)).await;
        assert_eq!((smaller.allowed, used(&smaller)), (false, vec![4]));
        assert_eq!(smaller.windows[0].remaining(), 0);
        let larger = hit(&counter, &key, &rule(5)).await;
        assert_eq!((larger.allowed, used(&larger)), (true, vec![5]));
        assert!(!hit(&counter, &key, &rule(5)).await.allowed);
    }
}

/// Forty concurrent requests over two handles: ten are allowed.
pub async fn concurrent_requests_do_not_exceed_the_limit(harness: impl QuotaHarness) {
    let handles = [harness.counter(), harness.other_process().await];
    for strategy in STRATEGIES {
        let rule = rule("10 per day;100 per month", strategy);
        settle(&harness, &rule, REST).await;
        let mut tasks = JoinSet::new();
        for number in 0..40 {
            let (counter, rule) = (Arc::clone(&handles[number % 2]), rule.clone());
            tasks.spawn(async move {
                let key = key(rule.strategy().as_str());
                counter.hit(&key, &rule).await.unwrap().allowed
            });
        }
        let allowed = tasks
            .join_all()
            .await
            .into_iter()
            .filter(|allowed| *allowed);
        assert_eq!(allowed.count(), 10);
        let key = key(strategy.as_str());
        assert_eq!(used(&peek(&handles[0], &key, &rule).await), [10, 10]);
    }
}

/// All of them or none, in every window.
pub async fn many_requests_are_counted_together_or_not_at_all(harness: impl QuotaHarness) {
    let counter = harness.counter();
    for strategy in STRATEGIES {
        let (key, rule) = (
            key(strategy.as_str()),
            rule("10 per day; 6 per hour", strategy),
        );
        settle(&harness, &rule, REST).await;
        let hit_many = async |count| counter.hit_many(&key, &rule, count).await.unwrap();
        let decision = hit_many(4).await;
        assert_eq!((decision.allowed, used(&decision)), (true, vec![4, 4]));
        let decision = hit_many(3).await;
        assert_eq!((decision.allowed, used(&decision)), (false, vec![4, 4]));
        assert!(decision.retry_after_for(3) > Duration::ZERO);
        let decision = hit_many(2).await;
        assert_eq!((decision.allowed, used(&decision)), (true, vec![6, 6]));
        assert_eq!(used(&peek(&counter, &key, &rule).await), [6, 6]);
        assert!(!hit(&counter, &key, &rule).await.allowed);
    }
}
