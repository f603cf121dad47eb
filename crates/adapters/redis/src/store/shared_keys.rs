//! The keys that all topics share. While one of them holds data of another type, no topic can be listed, limited or
//! pruned, so the store accepts no message.

use std::sync::Mutex;

use posthorn_application::StoreError;

use super::record;
use crate::cluster::sessions::Sessions;
use crate::failure::RedisFailure;
use crate::keys;
use crate::mutex::lock;

/// The keys, and what the last check found.
pub(super) struct SharedKeys {
    keys: [SharedKey; 4],
    /// The purpose of the key that cannot be used.
    damaged: Mutex<Option<&'static str>>,
}

struct SharedKey {
    key: String,
    purpose: &'static str,
    /// The type, as `TYPE` names it.
    data_type: &'static str,
}

impl SharedKeys {
    /// The keys with this prefix, not checked yet.
    pub(super) fn new(prefix: &str) -> Self {
        let key = |key, purpose, data_type| SharedKey {
            key,
            purpose,
            data_type,
        };
        Self {
            keys: [
                key(keys::topics(prefix), "index of topics", "zset"),
                key(
                    keys::consumer_topics(prefix),
                    "index of topics with consumers",
                    "zset",
                ),
                key(keys::seen(prefix), "trusted time", "string"),
                key(keys::identity(prefix), "identity", "string"),
            ],
            damaged: Mutex::new(None),
        }
    }

    /// Checks the types of the keys, and logs a change.
    ///
    /// # Errors
    /// A key has another type, or they cannot be read.
    pub(super) async fn check(&self, sessions: &Sessions) -> Result<(), StoreError> {
        let commands = self.keys.each_ref().map(|shared| {
            let mut command = redis::cmd("TYPE");
            command.arg(&shared.key);
            (keys::slot(&shared.key), command)
        });
        let mut damaged = None;
        for (shared, reply) in self.keys.iter().zip(sessions.each(&commands).await?) {
            let reply = reply.map_err(|error| RedisFailure::from_error(&error))?;
            let found: String = record::from_value(reply)?;
            if found != shared.data_type && found != "none" {
                damaged = damaged.or(Some(shared.purpose));
            }
        }
        self.note(damaged);
        self.damaged()
            .map_or(Ok(()), |error| Err(record::corrupt(error)))
    }

    /// Rejects a write while the last check has found damage. It is no [`StoreError::Corrupt`]: the check has logged
    /// that, and every request would log it again.
    pub(super) fn check_last(&self) -> Result<(), StoreError> {
        self.damaged()
            .map_or(Ok(()), |error| Err(StoreError::Unavailable(error)))
    }

    fn damaged(&self) -> Option<String> {
        let purpose = *lock(&self.damaged);
        purpose.map(|purpose| format!("the key of the {purpose} holds data of another type"))
    }

    fn note(&self, damaged: Option<&'static str>) {
        let before = std::mem::replace(&mut *lock(&self.damaged), damaged);
        match damaged {
            Some(key) if before != damaged => tracing::error!(
                key,
                "a key that all topics share holds data of another type: no message is accepted"
            ),
            None if before.is_some() => {
                tracing::info!("the keys that all topics share can be used again");
            }
            _ => {}
        }
    }
}
