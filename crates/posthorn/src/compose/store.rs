//! The store that the settings name: of messages, and of revoked tokens.

use std::sync::Arc;

use posthorn_application::{Clock, MessageStore, RevocationList};
use posthorn_domain::Durability;
use posthorn_embedded::{EmbeddedStore, EmbeddedStoreSettings};
use posthorn_memory::{MemoryRevocationList, MemoryStore, MemoryStoreSettings};
use posthorn_redis::{
    RedisPool, RedisRevocationList, RedisSettings, RedisSettingsError, RedisStore, RedisStoreError,
    RedisStoreSettings,
};

use super::StartError;
use super::dependencies::{START_DEADLINE, START_PAUSE};
use crate::config::{Settings, StoreUrl};

/// The store, and the list of revoked tokens that is kept with the messages.
pub(crate) struct Opened {
    pub(crate) messages: Arc<dyn MessageStore>,
    pub(crate) revocations: Arc<dyn RevocationList>,
    /// Whether a cache of messages in this process is right and of use: nobody else deletes from the
    /// store, and reading from it takes longer.
    pub(crate) is_cacheable: bool,
}

/// Opens the store.
pub(crate) async fn open(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
) -> Result<Opened, StartError> {
    let section = &settings.store;
    match &section.url {
        StoreUrl::Memory => Ok(Opened {
            messages: Arc::new(MemoryStore::new(
                Arc::clone(clock),
                MemoryStoreSettings::default(),
            )),
            revocations: Arc::new(MemoryRevocationList::new(Arc::clone(clock))),
            is_cacheable: false,
        }),
        StoreUrl::File(path) => {
            let settings = EmbeddedStoreSettings {
                durability: section.durability.unwrap_or(Durability::Synced),
                ..EmbeddedStoreSettings::new(path.clone())
            };
            let place = path.display().to_string();
            let store = open_file(settings, Arc::clone(clock))
                .await
                .map_err(|reason| refused(place, &reason))?;
            let store = Arc::new(store);
            Ok(Opened {
                messages: Arc::clone(&store) as _,
                revocations: store,
                is_cacheable: true,
            })
        }
        StoreUrl::Redis(url) => {
            let settings = RedisStoreSettings::new(url.clone());
            let place = settings.redis.masked_url();
            let revocations = revocation_list(&settings.redis, clock);
            let revocations = revocations.map_err(|error| refused(place.clone(), &error))?;
            let store = connect(settings, section.durability, clock)
                .await
                .map_err(|error| refused(place, &error))?;
            Ok(Opened {
                messages: Arc::new(store),
                revocations: Arc::new(revocations),
                is_cacheable: false,
            })
        }
    }
}

/// Opens the file on a thread of its own: after a crash all of it is read first, and a signal has to
/// be heard in the meantime.
async fn open_file(
    settings: EmbeddedStoreSettings,
    clock: Arc<dyn Clock>,
) -> Result<EmbeddedStore, String> {
    let open = move || EmbeddedStore::open(&settings, clock).map_err(|error| error.to_string());
    tokio::task::spawn_blocking(open)
        .await
        .unwrap_or_else(|error| Err(error.to_string()))
}

/// The list of revoked tokens in a Redis; it connects when it is asked.
pub(crate) fn revocation_list(
    settings: &RedisSettings,
    clock: &Arc<dyn Clock>,
) -> Result<RedisRevocationList, RedisSettingsError> {
    let pool = RedisPool::new(settings)?;
    Ok(RedisRevocationList::new(pool, Arc::clone(clock)))
}

/// Connects to the Redis store, waiting for it until the deadline of the start.
///
/// When nothing was said about durability, a server that does not sync every write or evicts keys is
/// taken as it is, with a warning: the receipts name what was reached.
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
            // The store warns of it when it takes the server as it is.
            Err(RedisStoreError::Evicts(_)) if durability.is_none() => {
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
