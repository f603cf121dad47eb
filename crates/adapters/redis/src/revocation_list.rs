//! The `RevocationList` port on Redis strings, which Redis expires.

use std::sync::Arc;

use async_trait::async_trait;
use posthorn_application::{BackendError, Clock, GuardedClock, RevocationList};
use posthorn_domain::{Timestamp, TokenId};

use crate::keys;
use crate::store::RedisStore;

/// Stores each revoked token id in a string of its own, over the connections of a store and with its
/// durability.
///
/// The time limit of a call is that of the store. The clock of this process, which follows no jump, determines
/// the TTL, the clock of the server its end.
pub struct RedisRevocationList {
    store: Arc<RedisStore>,
    clock: GuardedClock,
}

impl RedisRevocationList {
    /// A list beside the messages of `store`.
    pub fn new(store: Arc<RedisStore>, clock: Arc<dyn Clock>) -> Self {
        let clock = GuardedClock::new(clock, None);
        Self { store, clock }
    }
}

#[async_trait]
impl RevocationList for RedisRevocationList {
    async fn revoke(&self, id: &TokenId, until: Timestamp) -> Result<(), BackendError> {
        let ttl = until
            .as_millis()
            .saturating_sub(self.clock.bounds().earliest.as_millis());
        if ttl == 0 {
            return Ok(());
        }
        let ttl = ttl.min(keys::MAX_TTL_MILLIS);
        Ok(self.store.revoke(id, ttl).await?)
    }

    async fn is_revoked(&self, id: &TokenId) -> Result<bool, BackendError> {
        Ok(self.store.is_revoked(id).await?)
    }
}
