//! The settings of the store and the errors of its start.

use std::time::Duration;

use posthorn_domain::Durability;
use redis::Cmd;
use secrecy::SecretString;

use crate::deployment::error::RedisSettingsError;
use crate::deployment::settings::RedisSettings;
use crate::server_mode::OtherServerMode;

/// The settings of the store: connections and durability.
#[derive(Clone, Debug)]
pub struct RedisStoreSettings {
    /// The settings of connections. The store opens a few connections of its own to each primary, so
    /// the pool size and the checkout time-out do not apply.
    pub redis: RedisSettings,
    /// The durability of every append; an append that does not reach it fails as unavailable.
    ///
    /// [`Durability::Synced`] requires `appendonly yes`, `appendfsync always` and
    /// `no-appendfsync-on-rewrite no` on every primary, and is checked with each write;
    /// [`Durability::Replicated`] requires replicas that acknowledge in time.
    pub durability: Durability,
    /// True if a server that evicts keys is accepted, with [`Durability::Memory`]. It evicts messages, also those
    /// that were acknowledged with another durability before.
    pub accepts_eviction: bool,
    /// The least number of replicas that must acknowledge; 0 counts as 1. With Sentinel and on a cluster
    /// every connected replica must acknowledge, because each of them can be promoted, and behind Sentinels
    /// every server that they could promote. Used with [`Durability::Replicated`].
    pub min_replicas: u16,
    /// The most topics; one without a message counts until a day after its last one.
    pub max_topics: u64,
    /// The time limit for the acknowledgements of the replicas.
    pub replication_timeout: Duration,
}

/// The reason why the store does not start. No text contains a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedisStoreError {
    /// The settings are invalid.
    #[error(transparent)]
    Settings(#[from] RedisSettingsError),
    /// Redis does not reply as required; it may later.
    #[error("Redis cannot be used: {0}")]
    Unreachable(String),
    /// Redis refuses, and would again: a wrong password, or a right that the user lacks.
    #[error("Redis refuses: {0}")]
    Refused(String),
    /// The server lacks commands that the store uses.
    #[error("Redis 6.2 or newer is needed, not {0}")]
    TooOld(String),
    /// The server runs in a mode that the URL does not name.
    #[error(transparent)]
    OtherMode(#[from] OtherServerMode),
    /// The server is a replica.
    #[error("the Redis server is a replica, which takes no writes")]
    Replica,
    /// [`Durability::Synced`] is required, and the server does not sync every write.
    #[error(
        "the durability `synced` needs `appendonly yes`, `appendfsync always` and \
         `no-appendfsync-on-rewrite no` on every Redis primary (and the right to `CONFIG GET` them)"
    )]
    NotSynced,
    /// More than [`Durability::Memory`] is required, or no durability is set, and the server evicts keys when its
    /// memory is full.
    #[error(
        "a Redis with a `maxmemory` needs `maxmemory-policy noeviction`, not `{0}`: it would evict \
         messages that were acknowledged; the durability `memory` accepts that"
    )]
    Evicts(String),
}

impl RedisStoreSettings {
    /// The settings for `url` with the defaults: [`Durability::Synced`], which accepts no eviction, and a command time-out of
    /// one second, because a sync to disk can be slow.
    pub fn new(url: SecretString) -> Self {
        let redis = RedisSettings {
            command_timeout: Duration::from_secs(1),
            ..RedisSettings::new(url)
        };
        Self {
            redis,
            durability: Durability::Synced,
            accepts_eviction: true,
            min_replicas: 1,
            max_topics: 10_000,
            replication_timeout: Duration::from_millis(500),
        }
    }

    /// The time limit of one write with its replication.
    pub(super) fn write_bound(&self) -> Duration {
        match self.durability {
            Durability::Replicated => self.redis.command_timeout + self.replication_timeout,
            Durability::Memory | Durability::Synced => self.redis.command_timeout,
        }
    }

    /// The least number of replicas that must acknowledge, at least 1.
    pub(super) fn replicas(&self) -> u16 {
        self.min_replicas.max(1)
    }

    /// The command that waits for that many replicas and returns how many acknowledged.
    pub(super) fn wait_command(&self, replicas: u64) -> Cmd {
        let mut command = redis::cmd("WAIT");
        // A time-out of 0 has no limit.
        command
            .arg(replicas)
            .arg(self.replication_timeout.as_millis().max(1).to_string());
        command
    }
}
