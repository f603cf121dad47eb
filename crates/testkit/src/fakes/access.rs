//! Tokens and a revocation list under the control of the test.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use posthorn_application::{BackendError, GuardedClock, RevocationList, TokenError, TokenVerifier};
use posthorn_domain::{Claims, Timestamp, TokenId};

use super::script::Script;
use crate::fake_clock::FakeClock;

/// Accepts the registered texts; any other has an invalid signature.
#[derive(Debug, Default)]
pub struct FakeTokens(Mutex<HashMap<String, Result<Claims, TokenError>>>);

/// A `RevocationList` that fails on request.
pub struct FakeRevocationList {
    clock: GuardedClock,
    ends: Mutex<HashMap<TokenId, Timestamp>>,
    failures: Script<BackendError>,
}

impl FakeTokens {
    /// Registers the outcome of `token`.
    pub fn set(&self, token: &str, outcome: Result<Claims, TokenError>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(token.to_owned(), outcome);
    }
}

impl TokenVerifier for FakeTokens {
    fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(token)
            .cloned()
            .unwrap_or(Err(TokenError::Signature))
    }
}

impl FakeRevocationList {
    /// An empty list that reads `clock`.
    pub fn new(clock: Arc<FakeClock>) -> Self {
        Self {
            clock: GuardedClock::new(clock, None),
            ends: Mutex::default(),
            failures: Script::default(),
        }
    }

    /// Lets the next `count` calls fail with `error`.
    pub fn fail_next(&self, count: usize, error: BackendError) {
        self.failures.fail_next(count, error);
    }

    /// The time until which `id` is revoked.
    pub fn end_of(&self, id: &TokenId) -> Option<Timestamp> {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.get(id).copied()
    }
}

#[async_trait]
impl RevocationList for FakeRevocationList {
    async fn revoke(&self, id: &TokenId, until: Timestamp) -> Result<(), BackendError> {
        self.failures.play()?;
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let end = ends.entry(id.clone()).or_default();
        *end = until.max(*end);
        Ok(())
    }

    async fn is_revoked(&self, id: &TokenId) -> Result<bool, BackendError> {
        self.failures.play()?;
        let now = self.clock.bounds().earliest;
        Ok(self.end_of(id).is_some_and(|end| end > now))
    }
}
