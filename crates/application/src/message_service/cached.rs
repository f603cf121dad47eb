//! Single messages through the cache.
//!
//! A message never changes, but it can go: what is cached carries the generation of its id from
//! before the store was asked, and every deletion starts a new one. So nothing that was read before
//! a deletion counts after it, however late it gets into the cache and whatever the cache has lost.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use posthorn_domain::{Attributes, Message, MessageContent, MessageId, Topic};
use serde::{Deserialize, Serialize};

use crate::ports::backend_error::BackendError;
use crate::ports::cache::Cache;

/// How long a message is served from the cache, and so outlives its pruning at most.
const TTL: Duration = Duration::from_secs(5);
/// How many generations there are: a deletion costs the cache one part in so many.
const GENERATIONS: u64 = 256;

/// A cache of this process alone, for a store that this process alone deletes from.
pub(super) struct MessageCache {
    cache: Arc<dyn Cache>,
    generations: Box<[AtomicU64]>,
}

/// The cached form; the key says which message it is.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct CachedMessage<'a> {
    generation: u64,
    #[serde(borrow)]
    content: Cow<'a, str>,
    attributes: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
}

impl MessageCache {
    pub(super) fn new(cache: Arc<dyn Cache>) -> Self {
        Self {
            cache,
            generations: (0..GENERATIONS).map(|_| AtomicU64::default()).collect(),
        }
    }

    /// The message, if it is cached and none of its generation was deleted since.
    pub(super) async fn get(&self, topic: &Topic, id: MessageId) -> Option<Arc<Message>> {
        let bytes = match self.cache.get(&key(topic, id)).await {
            Ok(bytes) => bytes?,
            Err(error) => {
                warn_unless_transient(&error);
                return None;
            }
        };
        let Some((generation, message)) = read(&bytes, topic, id) else {
            tracing::warn!(%topic, %id, "a cached message cannot be read, asking the store");
            return None;
        };
        (generation == self.generation(id)).then(|| Arc::new(message))
    }

    /// To be asked before the store is.
    pub(super) fn generation(&self, id: MessageId) -> u64 {
        let place = self.place(id);
        place.map_or(0, |generation| generation.load(Ordering::SeqCst))
    }

    /// Caches what the store said after `generation` was asked.
    pub(super) async fn set(&self, message: &Message, generation: u64) {
        let cached = CachedMessage {
            generation,
            content: message.content.as_str().into(),
            attributes: message
                .attributes
                .iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        };
        match serde_json::to_vec(&cached) {
            Ok(bytes) => {
                let key = key(&message.topic, message.id);
                if let Err(error) = self.cache.set(&key, &bytes, TTL).await {
                    warn_unless_transient(&error);
                }
            }
            Err(error) => tracing::error!(%error, "a message cannot be written for the cache"),
        }
    }

    /// To be called after the store was told to delete, and before anybody hears of it.
    pub(super) fn deleted(&self, id: MessageId) {
        if let Some(generation) = self.place(id) {
            generation.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn place(&self, id: MessageId) -> Option<&AtomicU64> {
        let place = usize::try_from(id.sequence() % GENERATIONS).ok()?;
        self.generations.get(place)
    }
}

fn key(topic: &Topic, id: MessageId) -> String {
    format!("message:{topic}:{id}")
}

fn read(bytes: &[u8], topic: &Topic, id: MessageId) -> Option<(u64, Message)> {
    let cached: CachedMessage<'_> = serde_json::from_slice(bytes).ok()?;
    let message = Message {
        id,
        topic: topic.clone(),
        content: MessageContent::from_store(cached.content),
        attributes: Attributes::parse(cached.attributes).ok()?,
    };
    Some((cached.generation, message))
}

/// A cache that is away costs work alone; everything else is a mistake to show.
fn warn_unless_transient(error: &BackendError) {
    if !error.is_transient() {
        tracing::warn!(%error, "the cache of messages failed");
    }
}
