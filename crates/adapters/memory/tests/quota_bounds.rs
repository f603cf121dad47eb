//! The quota counter stays within its settings and removes expired windows.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::QuotaCounter;
use posthorn_domain::QuotaStrategy::{FixedWindow, MovingWindow};
use posthorn_memory::{MemoryQuotaCounter, MemoryQuotaSettings};
use posthorn_testkit::FakeClock;
use posthorn_testkit::quota_contract::{key, rule};

fn counter(settings: MemoryQuotaSettings) -> (MemoryQuotaCounter, Arc<FakeClock>) {
    let clock = Arc::new(FakeClock::new());
    (MemoryQuotaCounter::new(clock.clone(), settings), clock)
}

fn with_keys(max_keys: usize) -> MemoryQuotaSettings {
    MemoryQuotaSettings {
        max_keys,
        ..MemoryQuotaSettings::default()
    }
}

#[tokio::test]
async fn a_flood_of_clients_stays_within_the_bound_and_rejects_no_new_client() {
    for strategy in [FixedWindow, MovingWindow] {
        let (counter, _) = counter(with_keys(1600));
        let rule = rule("2 per day", strategy);
        for number in 0..20_000 {
            let key = key(&number.to_string());
            assert!(counter.hit(&key, &rule).await.unwrap().allowed);
            assert!(counter.keys() <= 1600);
        }
        assert!(counter.keys() > 1000, "{}", counter.keys());
    }
}

#[tokio::test]
async fn the_key_that_ends_first_is_evicted_first() {
    let (counter, clock) = counter(with_keys(3200));
    let (day, second) = (
        rule("1 per day", FixedWindow),
        rule("1 per minute", FixedWindow),
    );
    for number in 0..20_000 {
        // Few adjacent keys are kept ones: one of the candidates has to be evicted.
        if number % 32 == 0 && number < 3200 {
            let key = key(&format!("kept {}", number / 32));
            assert!(counter.hit(&key, &day).await.unwrap().allowed);
        }
        let key = key(&format!("flood {number}"));
        assert!(counter.hit(&key, &second).await.unwrap().allowed);
        clock.advance_nanos(1);
    }
    let mut kept = 0;
    for number in 0..100 {
        let key = key(&format!("kept {number}"));
        kept += u32::from(!counter.peek(&key, &day).await.unwrap().allowed);
    }
    assert_eq!(kept, 100, "a longer window outlives the flood");
}

#[tokio::test]
async fn new_clients_remove_expired_windows() {
    for strategy in [FixedWindow, MovingWindow] {
        let (counter, clock) = counter(MemoryQuotaSettings::default());
        let rule = rule("5 per minute", strategy);
        for number in 0..5_000 {
            counter.hit(&key(&number.to_string()), &rule).await.unwrap();
        }
        assert_eq!(counter.keys(), 5_000);
        clock.advance(Duration::from_mins(2));
        for number in 0..1_500 {
            let key = key(&format!("new {number}"));
            counter.hit(&key, &rule).await.unwrap();
        }
        assert!(counter.keys() <= 2_000, "{}", counter.keys());
    }
}

#[tokio::test]
async fn peeking_creates_no_key() {
    let (counter, _) = counter(MemoryQuotaSettings::default());
    for strategy in [FixedWindow, MovingWindow] {
        counter
            .peek(&key("k"), &rule("1 per day", strategy))
            .await
            .unwrap();
    }
    assert_eq!(counter.keys(), 0);
}

#[tokio::test]
async fn the_logs_of_all_moving_windows_are_bounded() {
    let (counter, _) = counter(MemoryQuotaSettings {
        max_logged: 16 * 1000,
        ..MemoryQuotaSettings::default()
    });
    let rule = rule("500 per day", MovingWindow);
    for number in 0..200 {
        let key = key(&number.to_string());
        // The key of the request is never evicted.
        for used in 1..=500 {
            let decision = counter.hit(&key, &rule).await.unwrap();
            assert_eq!((decision.allowed, decision.windows[0].used), (true, used));
        }
        assert!(!counter.hit(&key, &rule).await.unwrap().allowed);
    }
    // 500 requests of each: two fit into each sixteenth.
    assert!((16..=32).contains(&counter.keys()), "{}", counter.keys());
}
