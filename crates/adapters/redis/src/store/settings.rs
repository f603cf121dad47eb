//! What the store is asked to guarantee, and why it may refuse to start.

use std::time::Duration;

use posthorn_domain::Durability;
use redis::Cmd;
use secrecy::SecretString;

use crate::settings::{RedisSettings, RedisSettingsError};

/// How the store reaches Redis and what it guarantees.
#[derive(Clone, Debug)]
pub struct RedisStoreSettings {
    /// How Redis is reached. The store opens a few connections of its own to each primary, so
    /// the size of the pool and the checkout's time-out do not apply.
    pub redis: RedisSettings,
    /// What every append must reach; one that does not is answered as unavailable.
    ///
    /// [`Durability::Synced`] needs `appendonly yes`, `appendfsync always` and
    /// `no-appendfsync-on-rewrite no` on every primary, and is looked at with each write;
    /// [`Durability::Replicated`] needs `min_replicas` that acknowledge in time.
    pub durability: Durability,
    /// How many replicas have to acknowledge; 0 counts as 1. Used with [`Durability::Replicated`].
    pub min_replicas: u16,
    /// The most time to wait for the replicas' acknowledgement.
    pub replication_timeout: Duration,
}

/// Why the store does not start. The texts hold no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedisStoreError {
    /// The settings are wrong.
    #[error(transparent)]
    Settings(#[from] RedisSettingsError),
    /// Redis does not answer as it should.
    #[error("Redis cannot be used: {0}")]
    Unreachable(String),
    /// The server lacks commands that the store uses.
    #[error("Redis 6.2 or newer is needed, not {0}")]
    TooOld(String),
    /// The server only copies another one.
    #[error("the Redis server is a replica, which takes no writes")]
    Replica,
    /// `synced` was asked for and the server does not sync every write.
    #[error(
        "the durability `synced` needs `appendonly yes`, `appendfsync always` and \
         `no-appendfsync-on-rewrite no` on every Redis primary (and the right to `CONFIG GET` them)"
    )]
    NotSynced,
    /// More than `memory` was asked for, and the server throws keys away when its memory is full.
    #[error(
        "a Redis with a `maxmemory` needs `maxmemory-policy noeviction`, not `{0}`: it would evict \
         messages that were acknowledged"
    )]
    Evicts(String),
    /// `replicated` was asked for and there are too few replicas.
    #[error(
        "the durability `replicated` needs {wanted} connected replicas of every Redis primary, not {found}"
    )]
    NotReplicated {
        /// The configured number.
        wanted: u16,
        /// How many acknowledged.
        found: u64,
    },
}

impl RedisStoreSettings {
    /// The settings for `url` with every other value at its default: `synced`, and a second for a
    /// command, because a sync of the disk may take its time.
    pub fn new(url: SecretString) -> Self {
        let redis = RedisSettings {
            command_timeout: Duration::from_secs(1),
            ..RedisSettings::new(url)
        };
        Self {
            redis,
            durability: Durability::Synced,
            min_replicas: 1,
            replication_timeout: Duration::from_millis(500),
        }
    }

    /// How long one write to the server may take, its replication included.
    pub(super) fn write_bound(&self) -> Duration {
        match self.durability {
            Durability::Replicated => self.redis.command_timeout + self.replication_timeout,
            Durability::Memory | Durability::Synced => self.redis.command_timeout,
        }
    }
    pub(super) fn replicas(&self) -> u16 {
        self.min_replicas.max(1)
    }

    /// The command that waits for the replicas; it answers how many acknowledged.
    pub(super) fn wait_command(&self) -> Cmd {
        let mut command = redis::cmd("WAIT");
        // A time-out of 0 would wait for ever.
        command
            .arg(self.replicas())
            .arg(self.replication_timeout.as_millis().max(1).to_string());
        command
    }
}
