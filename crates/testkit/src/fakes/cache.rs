//! A cache that fails on request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use posthorn_application::{BackendError, Cache, Clock};

use super::script::Script;
use crate::fake_clock::FakeClock;

/// A `Cache` in a map that fails on request and records its calls.
#[derive(Debug)]
pub struct FakeCache<V> {
    clock: Arc<FakeClock>,
    script: Script<BackendError>,
    state: Mutex<CacheState<V>>,
}

/// A call to a [`FakeCache`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheCall {
    /// `get` of a key.
    Get(String),
    /// `set` of a key with a TTL.
    Set(String, Duration),
    /// `delete` of a key.
    Delete(String),
    /// `clear`.
    Clear,
}

#[derive(Debug)]
struct CacheState<V> {
    /// Values with their expiry in monotonic time.
    values: HashMap<String, (V, Duration)>,
    calls: Vec<CacheCall>,
}

impl<V> FakeCache<V> {
    /// An empty cache whose values expire by `clock`.
    pub fn new(clock: Arc<FakeClock>) -> Self {
        let state = CacheState {
            values: HashMap::new(),
            calls: Vec::new(),
        };
        Self {
            clock,
            script: Script::default(),
            state: Mutex::new(state),
        }
    }

    /// Lets the next `count` calls fail with `error`; `usize::MAX` for all, 0 for none.
    pub fn fail_next(&self, count: usize, error: BackendError) {
        self.script.fail_next(count, error);
    }

    /// All calls so far, failed ones included.
    pub fn calls(&self) -> Vec<CacheCall> {
        self.state().calls.clone()
    }

    fn call(&self, call: CacheCall) -> Result<MutexGuard<'_, CacheState<V>>, BackendError> {
        let mut state = self.state();
        state.calls.push(call);
        self.script.play()?;
        let now = self.clock.monotonic();
        state.values.retain(|_, (_, expires)| now < *expires);
        Ok(state)
    }

    fn state(&self) -> MutexGuard<'_, CacheState<V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Default for FakeCache<V> {
    fn default() -> Self {
        Self::new(Arc::default())
    }
}

#[async_trait]
impl<V: Clone + Send + Sync> Cache<V> for FakeCache<V> {
    async fn get(&self, key: &str) -> Result<Option<V>, BackendError> {
        let state = self.call(CacheCall::Get(key.to_owned()))?;
        Ok(state.values.get(key).map(|(value, _)| value.clone()))
    }

    async fn set(&self, key: &str, value: &V, ttl: Duration) -> Result<(), BackendError> {
        let mut state = self.call(CacheCall::Set(key.to_owned(), ttl))?;
        let expires = self.clock.monotonic().saturating_add(ttl);
        state
            .values
            .insert(key.to_owned(), (value.clone(), expires));
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
