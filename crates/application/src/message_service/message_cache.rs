//! The cache of single messages.
//!
//! A message never changes, but can be deleted. A cached one carries the generation of its id from before the store was
//! read, and every deletion starts a new one: a message that was read before a deletion is never returned after its
//! response. After a deletion without a response it may be returned for at most [`TTL`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use posthorn_domain::{Message, MessageId, Topic};

use crate::ports::backend_error::BackendError;
use crate::ports::cache::Cache;

/// How long a message is cached, and the longest time that it stays visible after its pruning.
const TTL: Duration = Duration::from_secs(5);
/// The number of generations: a deletion invalidates one part in so many of the cache.
const GENERATIONS: u64 = 256;

/// A message in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedMessage {
    /// The generation of its id before the store was read.
    pub generation: u64,
    /// The message.
    pub message: Arc<Message>,
}

/// A cache of this process alone, for a store from which this process alone deletes.
pub(super) struct MessageCache {
    cache: Arc<dyn Cache<CachedMessage>>,
    generations: Box<[AtomicU64]>,
}

/// A deletion under way.
#[must_use = "dropping it invalidates what is deleted"]
pub(super) struct DeletionGuard<'a> {
    cache: &'a MessageCache,
    id: Option<MessageId>,
}

impl Drop for DeletionGuard<'_> {
    fn drop(&mut self) {
        self.cache.invalidate(self.id);
    }
}

impl MessageCache {
    pub(super) fn new(cache: Arc<dyn Cache<CachedMessage>>) -> Self {
        Self {
            cache,
            generations: (0..GENERATIONS).map(|_| AtomicU64::default()).collect(),
        }
    }

    /// The message, if it is cached and no message of its generation was deleted since.
    pub(super) async fn get(&self, topic: &Topic, id: MessageId) -> Option<Arc<Message>> {
        let cached = self.cache.get(&key(topic, id)).await;
        let cached = cached.unwrap_or_else(|error| {
            warn_unless_transient(&error);
            None
        })?;
        (cached.generation == self.generation(id)).then_some(cached.message)
    }

    /// The generation of an id, to be read before the store is.
    pub(super) fn generation(&self, id: MessageId) -> u64 {
        let slot = self.slot(id);
        slot.map_or(0, |generation| generation.load(Ordering::SeqCst))
    }

    /// Caches a message that the store returned after `generation` was read.
    pub(super) async fn set(&self, message: &Arc<Message>, generation: u64) {
        let key = key(&message.topic, message.id);
        let cached = CachedMessage {
            generation,
            message: Arc::clone(message),
        };
        if let Err(error) = self.cache.set(&key, &cached, TTL).await {
            warn_unless_transient(&error);
        }
    }

    /// Invalidates a message, or every message without an `id`, when it is dropped: before the caller sees the outcome of
    /// the deletion, and also after an error or a call that was dropped, as the store may have deleted it.
    pub(super) const fn deleting(&self, id: Option<MessageId>) -> DeletionGuard<'_> {
        DeletionGuard { cache: self, id }
    }

    fn invalidate(&self, id: Option<MessageId>) {
        let every = if id.is_some() {
            &[]
        } else {
            &*self.generations
        };
        for generation in every.iter().chain(id.and_then(|id| self.slot(id))) {
            generation.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn slot(&self, id: MessageId) -> Option<&AtomicU64> {
        let slot = usize::try_from(id.sequence() % GENERATIONS).ok()?;
        self.generations.get(slot)
    }
}

fn key(topic: &Topic, id: MessageId) -> String {
    format!("message:{topic}:{id}")
}

/// Logs a permanent error; an unavailable cache costs work alone.
fn warn_unless_transient(error: &BackendError) {
    if !error.is_transient() {
        tracing::warn!(%error, "the cache of messages failed");
    }
}
