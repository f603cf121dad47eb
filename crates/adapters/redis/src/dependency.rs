//! The health check of Redis as a dependency.

use std::sync::LazyLock;

use async_trait::async_trait;
use posthorn_application::{Dependency, DependencyError};
use redis::{Cmd, Script, Value};

use crate::deployment::pool::RedisPool;
use crate::failure::RedisFailure;
use crate::keys;
use crate::server_mode;

/// A write that stores nothing. `KEYS[1]` never exists; no `ARGV`.
///
/// A script, because quotas and revocations are scripts: a server can reply to `PING` and reject
/// scripts, or writes in scripts.
static PROBE: LazyLock<Script> =
    LazyLock::new(|| Script::new("return redis.call('SET', KEYS[1], '', 'XX')"));

/// Checks that Redis is of the kind that its URL says, and executes a script with a write; on a cluster, that one node does.
///
/// Each of its calls has the checkout time-out plus the command time-out.
pub struct RedisDependency(RedisPool);

impl RedisDependency {
    /// A check of the server of `pool`.
    pub fn new(pool: RedisPool) -> Self {
        Self(pool)
    }

    /// The check, with its failure classified.
    pub(crate) async fn probe(&self) -> Result<(), RedisFailure> {
        if !self.0.is_cluster() {
            self.check_mode().await?;
        }
        let probe = keys::probe(self.0.prefix(), 0);
        self.0.query::<Value>(&PROBE.key(probe)).await?;
        Ok(())
    }

    /// Rejects a node of a cluster of several, which serves the keys in its own slots and so seems to work.
    async fn check_mode(&self) -> Result<(), RedisFailure> {
        let info = self.ask(redis::cmd("INFO").arg("server")).await?;
        let Err(error) = server_mode::check(&info, false) else {
            return Ok(());
        };
        let info = self.ask(redis::cmd("CLUSTER").arg("INFO")).await?;
        if server_mode::field(&info, "cluster_size:") == Some("1") {
            return Ok(());
        }
        Err(RedisFailure::Permanent(error.to_string()))
    }

    /// The reply to a question about the server; empty if the user may not ask it.
    async fn ask(&self, question: &Cmd) -> Result<String, RedisFailure> {
        match self.0.query(question).await {
            Err(RedisFailure::Permanent(_)) => Ok(String::new()),
            reply => reply,
        }
    }
}

#[async_trait]
impl Dependency for RedisDependency {
    async fn check(&self) -> Result<(), DependencyError> {
        Ok(self.probe().await?)
    }
}
