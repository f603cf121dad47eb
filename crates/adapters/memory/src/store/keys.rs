//! The idempotency keys that are remembered.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use posthorn_domain::{Fingerprint, IdempotencyKey, MessageId, Receipt, Topic};

/// How many ended keys one new key clears away, so that no append pays for many others.
const CLEARED_AT_ONCE: usize = 16;

/// Receipts by key, each until its TTL ends or, when there are too many, until it is the oldest.
pub(super) struct Keys {
    max: usize,
    receipts: HashMap<Arc<ScopedKey>, Remembered>,
    /// In the order in which they came, each with the id of its receipt. An entry whose key has
    /// another receipt by now is stale; it counts until it is cleared away.
    order: VecDeque<(Arc<ScopedKey>, MessageId)>,
}

/// A key and the topic to which it belongs.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct ScopedKey {
    pub(super) topic: Topic,
    pub(super) key: IdempotencyKey,
}

/// What a key stands for.
pub(super) struct Remembered {
    pub(super) fingerprint: Fingerprint,
    pub(super) receipt: Receipt,
    /// On the scale of `Clock::monotonic`.
    pub(super) end: Duration,
}

impl Keys {
    /// Remembers at most `max` keys.
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            receipts: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// What `key` stands for at `now`.
    pub(super) fn get(&self, key: &ScopedKey, now: Duration) -> Option<&Remembered> {
        self.receipts
            .get(key)
            .filter(|remembered| now < remembered.end)
    }

    /// Remembers what `key` stands for from `now` on.
    pub(super) fn put(&mut self, key: ScopedKey, remembered: Remembered, now: Duration) {
        if self.max == 0 {
            return;
        }
        self.forget_ended(now, CLEARED_AT_ONCE);
        while self.order.len() >= self.max {
            self.forget_first();
        }
        let key = Arc::new(key);
        self.order
            .push_back((Arc::clone(&key), remembered.receipt.id));
        self.receipts.insert(key, remembered);
    }

    /// Clears away ended keys, at most `budget` of them; says whether it were as many. One that
    /// came before others but ends after them keeps them for as long.
    pub(super) fn forget_ended(&mut self, now: Duration, budget: usize) -> bool {
        for _ in 0..budget {
            let Some((key, id)) = self.order.front() else {
                return false;
            };
            let remembered = self
                .receipts
                .get(key)
                .filter(|known| known.receipt.id == *id);
            if remembered.is_some_and(|known| now < known.end) {
                return false;
            }
            self.forget_first();
        }
        true
    }

    fn forget_first(&mut self) {
        if let Some((key, id)) = self.order.pop_front()
            && self
                .receipts
                .get(&key)
                .is_some_and(|known| known.receipt.id == id)
        {
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

    fn put(keys: &mut Keys, name: &str, sequence: u64, end: u64, now: u64) {
        let receipt = Receipt {
            id: MessageId::new(Timestamp::from_millis(1), sequence),
            topic: Topic::inbox(),
            durability: Durability::Memory,
            pod: Arc::from("pod"),
        };
        let fingerprint = Fingerprint::from_bytes([0; Fingerprint::LENGTH]);
        let remembered = Remembered {
            fingerprint,
            receipt,
            end: Duration::from_secs(end),
        };
        keys.put(key(name), remembered, Duration::from_secs(now));
    }

    fn sequence(keys: &Keys, name: &str, now: u64) -> Option<u64> {
        keys.get(&key(name), Duration::from_secs(now))
            .map(|known| known.receipt.id.sequence())
    }

    #[test]
    fn the_oldest_key_makes_room_when_there_are_too_many() {
        let mut keys = Keys::new(2);
        for (name, number) in [("a", 1), ("b", 2), ("c", 3)] {
            put(&mut keys, name, number, 100, 0);
        }
        assert_eq!(sequence(&keys, "a", 0), None);
        assert_eq!(sequence(&keys, "b", 0), Some(2));
        assert_eq!(sequence(&keys, "c", 0), Some(3));
    }

    #[test]
    fn a_key_that_is_used_again_after_its_end_stays_with_its_second_receipt() {
        let mut keys = Keys::new(3);
        put(&mut keys, "long", 1, 100, 0);
        put(&mut keys, "a", 2, 10, 0);
        // The first entry keeps the ended one from being cleared away.
        put(&mut keys, "a", 3, 100, 20);
        assert_eq!(keys.order.len(), 3);
        put(&mut keys, "b", 4, 100, 20);
        put(&mut keys, "c", 5, 100, 20);
        assert_eq!(
            sequence(&keys, "a", 20),
            Some(3),
            "its stale entry took nothing away"
        );
        assert_eq!(keys.order.len(), 3);
        assert_eq!(keys.receipts.len(), 3);
    }

    #[test]
    fn ended_keys_give_their_room_back() {
        let mut keys = Keys::new(100);
        for number in 0..50 {
            put(&mut keys, &format!("k{number}"), number, 10, 0);
        }
        put(&mut keys, "new", 50, 100, 10);
        assert_eq!(keys.receipts.len(), 51 - CLEARED_AT_ONCE);
        assert!(keys.forget_ended(Duration::from_secs(10), 10));
        assert!(!keys.forget_ended(Duration::from_secs(10), usize::MAX));
        assert_eq!((keys.receipts.len(), keys.order.len()), (1, 1));
        assert_eq!(sequence(&keys, "new", 10), Some(50));
    }

    #[test]
    fn none_is_remembered_where_none_may_be() {
        let mut keys = Keys::new(0);
        put(&mut keys, "a", 1, 100, 0);
        assert_eq!(sequence(&keys, "a", 0), None);
    }
}
