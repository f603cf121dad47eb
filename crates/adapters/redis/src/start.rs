//! The start of the process. Redis may be starting at the same time, so the first calls are repeated.

use std::time::Duration;

use posthorn_application::{Clock, DependencyError, MessageStore};
use posthorn_domain::Durability;

use crate::dependency::RedisDependency;
use crate::failure::RedisFailure;
use crate::store::{RedisStore, RedisStoreError, RedisStoreSettings};

/// In the texts of rustls' errors about the certificate of the server, and about one that the server requires of the
/// client. While a process runs, a new certificate can cure them; at the start the settings are wrong.
const WRONG_CERTIFICATES: [&str; 2] = ["invalid peer certificate", "CertificateRequired"];
/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(200);

impl RedisDependency {
    /// Checks Redis, and again for `patience` while it is unreachable; one log line says so.
    ///
    /// # Errors
    /// The last check failed, or the first one for a reason that waiting does not cure, such as a wrong
    /// password.
    pub async fn check_at_start(
        &self,
        patience: Duration,
        clock: &dyn Clock,
    ) -> Result<(), DependencyError> {
        let mut wait = StartWait::new(patience, clock);
        loop {
            match self.probe().await {
                Err(RedisFailure::Transient(reason))
                    if wait.goes_on("REDIS_URL", &reason).await => {}
                outcome => return Ok(outcome?),
            }
        }
    }
}

impl RedisStore {
    /// Connects as [`RedisStore::connect`] does, and again for `patience` while Redis is unreachable; one
    /// log line says so.
    ///
    /// `durability` replaces that of the settings. If it is `None`, none is required: each receipt has what Redis
    /// reaches at its write, up to `synced`, whatever it reached at the start. A Redis that does not sync every write
    /// is accepted with a warning; one that evicts keys is not, since it would evict what was acknowledged.
    ///
    /// # Errors
    /// Those of [`RedisStore::connect`].
    pub async fn connect_at_start(
        mut settings: RedisStoreSettings,
        durability: Option<Durability>,
        patience: Duration,
        clock: &dyn Clock,
    ) -> Result<Self, RedisStoreError> {
        settings.durability = durability.unwrap_or(Durability::Memory);
        settings.accepts_eviction = durability.is_some();
        let mut wait = StartWait::new(patience, clock);
        loop {
            match Self::connect(settings.clone()).await {
                Err(RedisStoreError::Unreachable(reason))
                    if wait.goes_on("STORE_URL", &reason).await => {}
                Ok(store) => {
                    if durability.is_none() && store.durability() == Durability::Memory {
                        tracing::warn!(
                            "the Redis of STORE_URL does not sync every write: messages are acknowledged \
                             with the durability `memory`; set `appendonly yes` and `appendfsync always` \
                             there to keep them through a crash"
                        );
                    }
                    return Ok(store);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// The wait for a Redis that may be starting.
struct StartWait<'a> {
    clock: &'a dyn Clock,
    deadline: Duration,
    is_logged: bool,
}

impl<'a> StartWait<'a> {
    fn new(patience: Duration, clock: &'a dyn Clock) -> Self {
        Self {
            clock,
            deadline: clock.monotonic().saturating_add(patience),
            is_logged: false,
        }
    }

    /// Pauses before the next attempt; false if the time is over or waiting does not help.
    async fn goes_on(&mut self, setting: &'static str, reason: &str) -> bool {
        let left = self.deadline.saturating_sub(self.clock.monotonic());
        let is_incurable = WRONG_CERTIFICATES.iter().any(|text| reason.contains(text));
        if left.is_zero() || is_incurable {
            return false;
        }
        if !self.is_logged {
            let seconds = left.as_secs();
            tracing::warn!(setting, reason, seconds, "waiting for Redis");
            self.is_logged = true;
        }
        self.clock.sleep(PAUSE.min(left)).await;
        true
    }
}
