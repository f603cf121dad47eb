//! The store that the settings name, for messages, consumers, webhooks and revoked tokens.

use std::sync::Arc;

use posthorn_application::{Clock, ConsumerStore, MessageStore, RevocationList, WebhookStore};
use posthorn_config::{Settings, StoreUrl};
use posthorn_domain::Durability;
use posthorn_embedded::{EmbeddedStore, EmbeddedStoreSettings};
use posthorn_memory::{MemoryRevocationList, MemoryStore, MemoryStoreSettings};
use posthorn_redis::{
    RedisPool, RedisRevocationList, RedisSettings, RedisSettingsError, RedisStore, RedisStoreError,
    RedisStoreSettings,
};

use super::dependencies::{START_DEADLINE, START_PAUSE};
use super::error::StartError;

/// The store, and the list of revoked tokens beside the messages.
pub(crate) struct OpenedStore {
    pub(crate) messages: Arc<dyn MessageStore>,
    /// The consumers of the same store.
    pub(crate) consumers: Arc<dyn ConsumerStore>,
    /// The webhooks of the same store.
    pub(crate) webhooks: Arc<dyn WebhookStore>,
    pub(crate) revocations: Arc<dyn RevocationList>,
    /// True if a cache of messages in this process is correct and useful: no other process deletes
    /// from the store, and reading from the store is slower.
    pub(crate) is_cacheable: bool,
}

/// Opens the store.
pub(crate) async fn open(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
) -> Result<OpenedStore, StartError> {
    let section = &settings.store;
    match &section.store_url {
        StoreUrl::Memory => {
            let store = MemoryStore::new(Arc::clone(clock), MemoryStoreSettings::default());
            let store = Arc::new(store);
            Ok(OpenedStore {
                messages: Arc::clone(&store) as _,
                consumers: Arc::clone(&store) as _,
                webhooks: store,
                revocations: Arc::new(MemoryRevocationList::new(Arc::clone(clock))),
                is_cacheable: false,
            })
        }
        StoreUrl::File(path) => {
            let settings = EmbeddedStoreSettings {
                durability: section.store_durability.unwrap_or(Durability::Synced),
                ..EmbeddedStoreSettings::new(path.clone())
            };
            let target = path.display().to_string();
            let store = open_file(settings, Arc::clone(clock))
                .await
                .map_err(|reason| unusable(target, &reason))?;
            let store = Arc::new(store);
            Ok(OpenedStore {
                messages: Arc::clone(&store) as _,
                consumers: Arc::clone(&store) as _,
                webhooks: Arc::clone(&store) as _,
                revocations: store,
                is_cacheable: true,
            })
        }
        StoreUrl::Redis(url) => {
            let settings = RedisStoreSettings::new(url.clone());
            let target = settings.redis.masked_url();
            let revocations = revocation_list(&settings.redis, clock);
            let revocations = revocations.map_err(|error| unusable(target.clone(), &error))?;
            let store = connect(settings, section.store_durability, clock)
                .await
                .map_err(|error| unusable(target, &error))?;
            let store = Arc::new(store);
            Ok(OpenedStore {
                messages: Arc::clone(&store) as _,
                consumers: Arc::clone(&store) as _,
                webhooks: store,
                revocations: Arc::new(revocations),
                is_cacheable: false,
            })
        }
    }
}

/// Opens the file on a thread of its own: after a crash the whole file is read, and signals are
/// handled meanwhile.
async fn open_file(
    settings: EmbeddedStoreSettings,
    clock: Arc<dyn Clock>,
) -> Result<EmbeddedStore, String> {
    let open = move || EmbeddedStore::open(&settings, clock).map_err(|error| error.to_string());
    tokio::task::spawn_blocking(open)
        .await
        .unwrap_or_else(|error| Err(error.to_string()))
}

/// Builds the list of revoked tokens in Redis. It connects with its first call.
pub(crate) fn revocation_list(
    settings: &RedisSettings,
    clock: &Arc<dyn Clock>,
) -> Result<RedisRevocationList, RedisSettingsError> {
    let pool = RedisPool::new(settings)?;
    Ok(RedisRevocationList::new(pool, Arc::clone(clock)))
}

/// Connects to the Redis store, with retries until the deadline of the start.
///
/// If no durability is configured, a Redis that does not sync every write, or evicts keys, is
/// accepted with a warning: the receipts name the durability that was reached.
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
            // `RedisStore` logs the warning when it accepts this Redis.
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

fn unusable(target: String, reason: &dyn std::fmt::Display) -> StartError {
    StartError::Dependency {
        setting: "STORE_URL",
        target,
        reason: reason.to_string(),
    }
}
