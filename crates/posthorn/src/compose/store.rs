//! The store that the settings name, for messages, consumers, webhooks and revoked tokens.

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{Clock, ConsumerStore, MessageStore, RevocationList, WebhookStore};
use posthorn_config::{Settings, StoreUrl};
use posthorn_domain::Durability;
use posthorn_embedded::{EmbeddedStore, EmbeddedStoreSettings};
use posthorn_memory::{MemoryRevocationList, MemoryStore, MemoryStoreSettings};
use posthorn_redis::{RedisRevocationList, RedisStore, RedisStoreSettings};

use super::error::AppError;

/// One store behind its ports.
pub(crate) struct OpenedStore {
    pub(crate) messages: Arc<dyn MessageStore>,
    pub(super) consumers: Arc<dyn ConsumerStore>,
    pub(super) webhooks: Arc<dyn WebhookStore>,
    pub(crate) revocations: Arc<dyn RevocationList>,
    /// True if a cache of messages in this process is correct and useful: no other process deletes
    /// from the store, and reading from the store is slower.
    pub(super) is_cacheable: bool,
}

/// Opens the store. An unreachable Redis is waited for, up to `patience`.
pub(crate) async fn open(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    patience: Duration,
) -> Result<OpenedStore, AppError> {
    let (section, redis) = (&settings.store, &settings.redis);
    match &section.store_url {
        StoreUrl::Memory => {
            let number = |value| usize::try_from(value).unwrap_or(usize::MAX);
            let settings = MemoryStoreSettings {
                max_topics: number(section.max_topics),
                ..section
                    .max_store_bytes
                    .map_or_else(MemoryStoreSettings::default, |bytes| {
                        MemoryStoreSettings::of_bytes(number(bytes))
                    })
            };
            let store = MemoryStore::new(Arc::clone(clock), settings);
            let revocations = Arc::new(MemoryRevocationList::new(Arc::clone(clock)));
            Ok(OpenedStore::new(Arc::new(store), revocations, false))
        }
        StoreUrl::File(path) => {
            let settings = EmbeddedStoreSettings {
                durability: section.store_durability.unwrap_or(Durability::Synced),
                max_topics: section.max_topics,
                max_bytes: section.max_store_bytes,
                ..EmbeddedStoreSettings::new(path.clone())
            };
            let clock = Arc::clone(clock);
            // A thread of its own: after a crash the whole file is read, and signals are handled
            // meanwhile.
            let open = move || EmbeddedStore::open(&settings, clock).map_err(|e| e.to_string());
            let opened = tokio::task::spawn_blocking(open).await;
            let opened = opened.unwrap_or_else(|error| Err(error.to_string()));
            let unusable = |error| AppError::unusable("STORE_URL", path.display(), error);
            let store = opened.map_err(unusable)?;
            let store = Arc::new(store);
            Ok(OpenedStore::new(Arc::clone(&store), store, true))
        }
        StoreUrl::Redis(url) => {
            let mut settings = RedisStoreSettings {
                min_replicas: section.store_min_replicas,
                max_topics: section.max_topics,
                ..RedisStoreSettings::new(url.clone())
            };
            settings.redis.access = redis.store_access();
            let (names, target) = (redis.store_names(), settings.redis.masked_url());
            let durability = section.store_durability;
            let store =
                RedisStore::connect_at_start(settings, durability, patience, &**clock).await;
            let unusable = |error| AppError::unusable(names, target, error);
            let store = Arc::new(store.map_err(unusable)?);
            let revocations = RedisRevocationList::new(Arc::clone(&store), Arc::clone(clock));
            Ok(OpenedStore::new(store, Arc::new(revocations), false))
        }
    }
}

impl OpenedStore {
    fn new<S: MessageStore + ConsumerStore + WebhookStore + 'static>(
        store: Arc<S>,
        revocations: Arc<dyn RevocationList>,
        is_cacheable: bool,
    ) -> Self {
        Self {
            messages: Arc::clone(&store) as _,
            consumers: Arc::clone(&store) as _,
            webhooks: store,
            revocations,
            is_cacheable,
        }
    }
}
