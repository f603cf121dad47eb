//! The `RevocationList` port on Redis strings, which Redis expires.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use posthorn_application::{BackendError, Clock, RevocationList};
use posthorn_domain::{Timestamp, TokenId};
use redis::Script;

use crate::deployment::pool::RedisPool;
use crate::keys;

/// Revokes a token, or extends its revocation.
///
/// - `KEYS[1]` the key of the token
/// - `ARGV[1]` the time from now until the token expires, in milliseconds
///
/// One script: the TTL must be compared and set in one step. `PTTL` is negative without a key. The
/// TTL is set twice because two writes are a transaction in the append-only file. A single write could
/// become part of a torn transaction before it and be lost with that.
static REVOKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return 1",
    )
});

/// Stores each revoked token id in a string of its own.
///
/// The time limit of a call is the checkout time-out plus the command time-out. The clock of this
/// process determines the TTL, the clock of the server its end.
pub struct RedisRevocationList {
    pool: RedisPool,
    clock: Arc<dyn Clock>,
}

impl RedisRevocationList {
    /// A list under the prefix of `pool`.
    pub fn new(pool: RedisPool, clock: Arc<dyn Clock>) -> Self {
        Self { pool, clock }
    }
}

#[async_trait]
impl RevocationList for RedisRevocationList {
    async fn revoke(&self, id: &TokenId, until: Timestamp) -> Result<(), BackendError> {
        let ttl = until
            .as_millis()
            .saturating_sub(self.clock.now().as_millis());
        if ttl == 0 {
            return Ok(());
        }
        let mut script = REVOKE.key(keys::denied(self.pool.prefix(), id));
        script.arg(ttl.min(keys::MAX_TTL_MILLIS));
        let _: i64 = self.pool.query(&script).await?;
        Ok(())
    }

    async fn is_revoked(&self, id: &TokenId) -> Result<bool, BackendError> {
        let key = keys::denied(self.pool.prefix(), id);
        Ok(self.pool.query(redis::cmd("EXISTS").arg(key)).await?)
    }
}
