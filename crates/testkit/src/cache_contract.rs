//! The contract of `Cache` as tests: every adapter runs every case of it.
//!
//! An adapter implements [`CacheHarness`] in its own tests and calls
//! [`cache_contract_tests!`](crate::cache_contract_tests).

pub mod lifetimes;
pub mod values;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use posthorn_application::Cache;

use crate::fake_clock::FakeClock;

/// A TTL that no case outlasts.
const LONG: Duration = Duration::from_hours(24);

/// A fresh, empty cache for one case. It has to hold at least 2 MiB.
#[async_trait]
pub trait CacheHarness: Send + Sync {
    /// The cache.
    fn cache(&self) -> Arc<dyn Cache<Vec<u8>>>;

    /// A handle of another process on the same data; the same handle if processes share nothing.
    async fn other_process(&self) -> Arc<dyn Cache<Vec<u8>>> {
        self.cache()
    }

    /// The clock that the cache reads; `None` if it reads a real clock.
    fn clock(&self) -> Option<&FakeClock> {
        None
    }

    /// The shortest TTL that cases distinguish; with a real clock, a case waits for it.
    fn unit(&self) -> Duration {
        if self.clock().is_some() {
            Duration::from_mins(1)
        } else {
            Duration::from_secs(1)
        }
    }

    /// Lets `duration` pass by the cache's clock.
    async fn pass(&self, duration: Duration) {
        match self.clock() {
            Some(clock) => clock.advance(duration),
            None => tokio::time::sleep(duration).await,
        }
    }
}

/// Expands into one `#[tokio::test]` for each case that every cache passes.
///
/// The argument is an expression that makes a fresh [`CacheHarness`]; it may `.await`. The calling
/// crate needs `tokio` with the features `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! cache_contract_tests {
    ($harness:expr) => {
        $crate::contract_cases! { cache_contract, $harness;
            values::a_value_comes_back_as_it_was_set,
            values::a_missing_value_is_not_found,
            values::a_value_is_replaced,
            values::a_deleted_value_is_gone,
            values::clearing_removes_everything_and_the_cache_keeps_working,
            values::unusual_keys_are_distinguished,
            values::a_large_value_is_stored,
            values::concurrent_users_see_whole_values,
            lifetimes::a_value_expires_with_its_ttl,
            lifetimes::setting_again_starts_a_new_ttl,
            lifetimes::a_ttl_of_zero_stores_nothing_and_removes,
            lifetimes::a_very_long_ttl_is_no_error,
        }
    };
}
