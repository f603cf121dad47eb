//! The message store that the settings name.

use std::sync::Arc;

use posthorn_application::{Clock, MessageStore};
use posthorn_domain::Durability;
use posthorn_embedded::{EmbeddedStore, EmbeddedStoreSettings};
use posthorn_memory::{MemoryStore, MemoryStoreSettings};
use posthorn_redis::{RedisStore, RedisStoreError, RedisStoreSettings};
use posthorn_telemetry::{InstrumentedStore, Metrics};

use super::StartError;
use super::dependencies::{START_DEADLINE, START_PAUSE};
use crate::config::{Settings, StoreUrl};

/// Opens the store and puts its metrics around it.
pub(super) async fn open(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
) -> Result<Arc<dyn MessageStore>, StartError> {
    let section = &settings.store;
    let store: Arc<dyn MessageStore> = match &section.url {
        StoreUrl::Memory => Arc::new(MemoryStore::new(
            Arc::clone(clock),
            MemoryStoreSettings::default(),
        )),
        StoreUrl::File(path) => {
            let settings = EmbeddedStoreSettings {
                durability: section.durability.unwrap_or(Durability::Synced),
                ..EmbeddedStoreSettings::new(path.clone())
            };
            let store = EmbeddedStore::open(&settings, Arc::clone(clock))
                .map_err(|error| refused(path.display().to_string(), &error))?;
            Arc::new(store)
        }
        StoreUrl::Redis(url) => {
            let settings = RedisStoreSettings::new(url.clone());
            let place = settings.redis.masked_url();
            let store = connect(settings, section.durability, clock)
                .await
                .map_err(|error| refused(place, &error))?;
            Arc::new(store)
        }
    };
    Ok(Arc::new(InstrumentedStore::new(store, metrics)))
}

/// Connects to the Redis store, waiting for it until the deadline of the start.
///
/// When nothing was said about durability, a server that does not sync every write is taken as it
/// is, with a warning: the receipts name what was reached.
async fn connect(
    mut settings: RedisStoreSettings,
    durability: Option<Durability>,
    clock: &Arc<dyn Clock>,
) -> Result<RedisStore, RedisStoreError> {
    settings.durability = durability.unwrap_or(Durability::Synced);
    let deadline = clock.monotonic().saturating_add(START_DEADLINE);
    loop {
        match RedisStore::connect(settings.clone()).await {
            Err(RedisStoreError::NotSynced) if durability.is_none() => {
                tracing::warn!(
                    "the Redis of STORE_URL does not sync every write: messages are acknowledged \
                     with the durability `memory`; set `appendonly yes` and `appendfsync always` \
                     there to keep them through a crash"
                );
                settings.durability = Durability::Memory;
            }
            Err(RedisStoreError::Unreachable(reason)) if clock.monotonic() < deadline => {
                tracing::warn!(%reason, "waiting for the Redis of STORE_URL");
                clock.sleep(START_PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

fn refused(place: String, reason: &dyn std::fmt::Display) -> StartError {
    StartError::Dependency {
        setting: "STORE_URL",
        place,
        reason: reason.to_string(),
    }
}
