//! Redis as a dependency that is watched.

use std::sync::LazyLock;

use async_trait::async_trait;
use posthorn_application::{Dependency, DependencyError};
use redis::{Script, Value};

use crate::keys;
use crate::pool::RedisPool;

/// A write of what is not there, which changes nothing. `KEYS[1]` is never there.
const PROBE: &str = "return redis.call('SET', KEYS[1], '', 'XX')";

/// Has Redis run a script that tries a write, as quotas are counted: a server that answers pings
/// may refuse either. On a cluster one node is asked.
///
/// The bound of a check is twice the checkout's plus the command time-out.
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
        static HASH: LazyLock<String> = LazyLock::new(|| Script::new(PROBE).get_hash().to_owned());
        // The text first: it teaches the script.
        for (command, script) in [("EVAL", PROBE), ("EVALSHA", HASH.as_str())] {
            let mut command = redis::cmd(command);
            command
                .arg(script)
                .arg(1)
                .arg(keys::probe(self.0.prefix(), 0));
            self.0.query::<Value>(&command).await?;
        }
        Ok(())
    }
}
