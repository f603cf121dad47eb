//! Redis as a dependency that is watched.

use async_trait::async_trait;
use posthorn_application::{Dependency, DependencyError};

use crate::pool::RedisPool;

/// Asks Redis for a pong. On a cluster any one node's answer will do.
///
/// The bound of a check is the checkout's plus the command time-out.
pub struct RedisDependency(RedisPool);

impl RedisDependency {
    /// Watches what `pool` connects to.
    pub fn new(pool: RedisPool) -> Self {
        Self(pool)
    }
}

#[async_trait]
impl Dependency for RedisDependency {
    async fn check(&self) -> Result<(), DependencyError> {
        Ok(self.0.query(&redis::cmd("PING")).await?)
    }
}
