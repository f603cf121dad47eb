//! The health check of Redis as a dependency.

use std::sync::LazyLock;

use async_trait::async_trait;
use posthorn_application::{Dependency, DependencyError};
use redis::{Script, Value};

use crate::deployment::pool::RedisPool;
use crate::failure::RedisFailure;
use crate::keys;

/// A write that stores nothing. `KEYS[1]` never exists; no `ARGV`.
///
/// A script, because quotas and revocations are scripts: a server can reply to `PING` and reject
/// scripts, or writes in scripts.
static PROBE: LazyLock<Script> =
    LazyLock::new(|| Script::new("return redis.call('SET', KEYS[1], '', 'XX')"));

/// Checks that Redis executes a script with a write; on a cluster, that one node does.
///
/// The time limit of a check is the checkout time-out plus the command time-out.
pub struct RedisDependency(RedisPool);

impl RedisDependency {
    /// A check of the server of `pool`.
    pub fn new(pool: RedisPool) -> Self {
        Self(pool)
    }

    /// The check, with its failure classified.
    pub(crate) async fn probe(&self) -> Result<(), RedisFailure> {
        let probe = keys::probe(self.0.prefix(), 0);
        self.0.query::<Value>(&PROBE.key(probe)).await?;
        Ok(())
    }
}

#[async_trait]
impl Dependency for RedisDependency {
    async fn check(&self) -> Result<(), DependencyError> {
        Ok(self.probe().await?)
    }
}
