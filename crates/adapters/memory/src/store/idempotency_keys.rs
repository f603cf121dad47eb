//! The idempotency keys of the memory store.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use posthorn_domain::{Fingerprint, IdempotencyKey, MessageId, Receipt, Topic};

/// The most expired keys that one insert removes, so that no append pays for many others.
const REMOVED_PER_INSERT: usize = 16;

/// Receipts by key. A key is removed after its TTL or, when there are too many, as the oldest.
pub(super) struct IdempotencyKeys {
    max: usize,
    receipts: HashMap<Arc<ScopedKey>, KeyedReceipt>,
    /// In the order of the inserts, each with the id of its receipt. An entry is stale if its key
    /// has another receipt by now; it counts until it is removed.
    order: VecDeque<(Arc<ScopedKey>, MessageId)>,
}

/// A key and the topic to which it belongs.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct ScopedKey {
    pub(super) topic: Topic,
    pub(super) key: IdempotencyKey,
}

/// The first request under a key.
pub(super) struct KeyedReceipt {
    pub(super) fingerprint: Fingerprint,
    pub(super) receipt: Receipt,
    /// On the scale of `Clock::monotonic`.
    pub(super) expires: Duration,
}

impl IdempotencyKeys {
    /// No keys yet, and at most `max`.
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            receipts: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// The first request under `key`, unless it has expired at `now`.
    pub(super) fn get(&self, key: &ScopedKey, now: Duration) -> Option<&KeyedReceipt> {
        let stored = self.receipts.get(key);
        stored.filter(|stored| now < stored.expires)
    }

    /// Stores the first request under `key`, at `now`.
    pub(super) fn insert(&mut self, key: ScopedKey, stored: KeyedReceipt, now: Duration) {
        if self.max == 0 {
            return;
        }
        self.remove_expired(now, REMOVED_PER_INSERT);
        while self.order.len() >= self.max {
            self.remove_oldest();
        }
        let key = Arc::new(key);
        self.order.push_back((Arc::clone(&key), stored.receipt.id));
        self.receipts.insert(key, stored);
    }

    /// Removes at most `budget` expired keys; returns true if it removed as many. A key blocks
    /// younger ones that expire before it.
    pub(super) fn remove_expired(&mut self, now: Duration, budget: usize) -> bool {
        for _ in 0..budget {
            let Some((key, id)) = self.order.front() else {
                return false;
            };
            let current = self
                .receipts
                .get(key)
                .filter(|stored| stored.receipt.id == *id);
            if current.is_some_and(|stored| now < stored.expires) {
                return false;
            }
            self.remove_oldest();
        }
        true
    }

    fn remove_oldest(&mut self) {
        let Some((key, id)) = self.order.pop_front() else {
            return;
        };
        // A stale entry leaves the newer receipt of its key alone.
        let stored = self.receipts.get(&key);
        if stored.is_some_and(|stored| stored.receipt.id == id) {
            self.receipts.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use posthorn_domain::{Durability, Timestamp};

    use super::*;

    fn key(name: &str) -> ScopedKey {
        ScopedKey {
            topic: Topic::inbox(),
            key: IdempotencyKey::parse(name).unwrap(),
        }
    }

    fn insert(keys: &mut IdempotencyKeys, name: &str, sequence: u64, end: u64, now: u64) {
        let receipt = Receipt {
            id: MessageId::new(Timestamp::from_millis(1), sequence),
            topic: Topic::inbox(),
            durability: Durability::Memory,
            instance: Arc::from("pod"),
            processed_at: Timestamp::from_millis(1),
        };
        let fingerprint = Fingerprint::from_bytes([0; Fingerprint::LENGTH]);
        let stored = KeyedReceipt {
            fingerprint,
            receipt,
            expires: Duration::from_secs(end),
        };
        keys.insert(key(name), stored, Duration::from_secs(now));
    }

    fn sequence(keys: &IdempotencyKeys, name: &str, now: u64) -> Option<u64> {
        keys.get(&key(name), Duration::from_secs(now))
            .map(|stored| stored.receipt.id.sequence())
    }

    #[test]
    fn the_oldest_key_is_removed_when_there_are_too_many() {
        let mut keys = IdempotencyKeys::new(2);
        for (name, number) in [("a", 1), ("b", 2), ("c", 3)] {
            insert(&mut keys, name, number, 100, 0);
        }
        assert_eq!(sequence(&keys, "a", 0), None);
        assert_eq!(sequence(&keys, "b", 0), Some(2));
        assert_eq!(sequence(&keys, "c", 0), Some(3));
    }

    #[test]
    fn a_key_reused_after_its_expiry_keeps_its_second_receipt() {
        let mut keys = IdempotencyKeys::new(3);
        insert(&mut keys, "long", 1, 100, 0);
        insert(&mut keys, "a", 2, 10, 0);
        // The first entry keeps the expired one behind it from being removed.
        insert(&mut keys, "a", 3, 100, 20);
        assert_eq!(keys.order.len(), 3);
        insert(&mut keys, "b", 4, 100, 20);
        insert(&mut keys, "c", 5, 100, 20);
        assert_eq!(
            sequence(&keys, "a", 20),
            Some(3),
            "its stale entry removed nothing"
        );
        assert_eq!(keys.order.len(), 3);
        assert_eq!(keys.receipts.len(), 3);
    }

    #[test]
    fn expired_keys_are_removed() {
        let mut keys = IdempotencyKeys::new(100);
        for number in 0..50 {
            insert(&mut keys, &format!("k{number}"), number, 10, 0);
        }
        insert(&mut keys, "new", 50, 100, 10);
        assert_eq!(keys.receipts.len(), 51 - REMOVED_PER_INSERT);
        assert!(keys.remove_expired(Duration::from_secs(10), 10));
        assert!(!keys.remove_expired(Duration::from_secs(10), usize::MAX));
        assert_eq!((keys.receipts.len(), keys.order.len()), (1, 1));
        assert_eq!(sequence(&keys, "new", 10), Some(50));
    }

    #[test]
    fn a_bound_of_zero_stores_no_key() {
        let mut keys = IdempotencyKeys::new(0);
        insert(&mut keys, "a", 1, 100, 0);
        assert_eq!(sequence(&keys, "a", 0), None);
    }
}
