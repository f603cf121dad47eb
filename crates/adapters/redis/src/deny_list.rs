//! The `RevocationList` port on Redis strings, which Redis expires.

use std::sync::Arc;

use async_trait::async_trait;
use posthorn_application::{Clock, RevocationList, RevocationListError};
use posthorn_domain::{Timestamp, TokenId};

use crate::keys;
use crate::pool::RedisPool;

/// Denies a token, or prolongs that.
///
/// - `KEYS[1]` the token's key
/// - `ARGV[1]` for how many milliseconds from now
///
/// One script because the key's own end has to be compared and set in one step. `PTTL` is negative
/// when there is no key. The end is set twice because two writes are a transaction in the append-only
/// file: one alone could become part of a torn transaction before it, and be lost with that.
const DENY: &str = r"if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return 1";

/// Remembers each id in a string of its own.
///
/// The bound of a call is the checkout's plus the command time-out. Redis keeps the time from then
/// on: its clock counts how long, this one's when it began.
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
    async fn revoke(&self, id: &TokenId, until: Timestamp) -> Result<(), RevocationListError> {
        let rest = until
            .as_millis()
            .saturating_sub(self.clock.now().as_millis());
        if rest == 0 {
            return Ok(());
        }
        let mut command = redis::cmd("EVAL");
        command
            .arg(DENY)
            .arg(1)
            .arg(keys::denied(self.pool.prefix(), id))
            .arg(rest.min(keys::MAX_TTL_MILLIS));
        let _: i64 = self.pool.query(&command).await?;
        Ok(())
    }

    async fn is_revoked(&self, id: &TokenId) -> Result<bool, RevocationListError> {
        let key = keys::denied(self.pool.prefix(), id);
        Ok(self.pool.query(redis::cmd("EXISTS").arg(key)).await?)
    }
}
