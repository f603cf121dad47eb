//! A cache that fails on order.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use posthorn_application::{BackendError, Cache, Clock};

use super::script::Script;
use crate::FakeClock;

/// A `Cache` in a map that fails when told to and remembers what it was asked.
#[derive(Debug, Default)]
pub struct FakeCache {
    clock: Arc<FakeClock>,
    script: Script<BackendError>,
    state: Mutex<State>,
}

/// What a cache was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheCall {
    /// The value under a key.
    Get(String),
    /// To hold a value under a key for a TTL.
    Set(String, Duration),
    /// To drop the value under a key.
    Delete(String),
    /// To drop everything.
    Clear,
}

#[derive(Debug, Default)]
struct State {
    /// Values with the monotonic time at which they end.
    values: HashMap<String, (Vec<u8>, Duration)>,
    calls: Vec<CacheCall>,
}

impl FakeCache {
    /// An empty cache whose values end by `clock`.
    pub fn new(clock: Arc<FakeClock>) -> Self {
        Self {
            clock,
            ..Self::default()
        }
    }

    /// Lets the next `count` calls fail with `error`; `usize::MAX` for all, 0 for none.
    pub fn fail_next(&self, count: usize, error: BackendError) {
        self.script.fail_next(count, error);
    }

    /// Everything it was asked so far, also what failed.
    pub fn calls(&self) -> Vec<CacheCall> {
        self.state().calls.clone()
    }

    fn call(&self, call: CacheCall) -> Result<MutexGuard<'_, State>, BackendError> {
        let mut state = self.state();
        state.calls.push(call);
        self.script.play()?;
        let now = self.clock.monotonic();
        state.values.retain(|_, (_, end)| now < *end);
        Ok(state)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Cache for FakeCache {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, BackendError> {
        let state = self.call(CacheCall::Get(key.to_owned()))?;
        Ok(state.values.get(key).map(|(value, _)| value.clone()))
    }

    async fn set(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), BackendError> {
        let mut state = self.call(CacheCall::Set(key.to_owned(), ttl))?;
        let end = self.clock.monotonic().saturating_add(ttl);
        state.values.insert(key.to_owned(), (value.to_vec(), end));
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<bool, BackendError> {
        let mut state = self.call(CacheCall::Delete(key.to_owned()))?;
        Ok(state.values.remove(key).is_some())
    }

    async fn clear(&self) -> Result<(), BackendError> {
        self.call(CacheCall::Clear)?.values.clear();
        Ok(())
    }
}
