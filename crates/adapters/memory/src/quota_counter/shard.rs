//! One shard of the keys, within its bounds.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use posthorn_application::{QuotaDecision, QuotaKey};
use posthorn_domain::QuotaRule;

use super::window_counts::WindowCounts;

/// The number of keys that one insert checks for expiry, and the number of candidates for eviction.
const PROBED_KEYS: usize = 8;

/// One shard of the keys.
#[derive(Debug)]
pub(super) struct Shard {
    /// Indexes into `entries` by the keyed hash of the key: no client can choose keys that collide.
    index: HashMap<u64, usize, BuildHasherDefault<IdentityHasher>>,
    entries: Vec<KeyEntry>,
    /// The index of the last entry checked, as the hand of the clock algorithm.
    hand: usize,
    /// The requests in the logs of all entries.
    logged: usize,
    max_keys: usize,
    max_logged: usize,
}

#[derive(Debug)]
struct KeyEntry {
    hash: u64,
    key: QuotaKey,
    counts: WindowCounts,
    end: u64,
}

/// Hashes a hash to itself.
#[derive(Clone, Copy, Debug, Default)]
struct IdentityHasher(u64);

impl Shard {
    pub(super) fn new(max_keys: usize, max_logged: usize) -> Self {
        Self {
            index: HashMap::default(),
            entries: Vec::new(),
            hand: 0,
            logged: 0,
            max_keys,
            max_logged,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn peek(
        &self,
        hash: u64,
        key: &QuotaKey,
        rule: &QuotaRule,
        now: u64,
    ) -> QuotaDecision {
        let entry = self.find(hash, key).and_then(|at| self.entries.get(at));
        match entry.filter(|entry| entry.counts.matches(rule)) {
            Some(entry) => entry.counts.decide(rule, now, 1),
            None => WindowCounts::new(rule).decide(rule, now, 1),
        }
    }

    /// Counts `count` requests if all are allowed.
    pub(super) fn hit(
        &mut self,
        hash: u64,
        key: &QuotaKey,
        rule: &QuotaRule,
        now: u64,
        count: u32,
    ) -> QuotaDecision {
        let at = match self.find(hash, key) {
            Some(at) => at,
            None => self.insert(hash, key, rule, now),
        };
        let Some(entry) = self.entries.get_mut(at) else {
            // Unreachable: the index points into the entries.
            return WindowCounts::new(rule).decide(rule, now, count);
        };
        if !entry.counts.matches(rule) {
            self.logged -= entry.counts.logged();
            entry.counts = WindowCounts::new(rule);
        }
        let mut decision = entry.counts.decide(rule, now, count);
        if decision.allowed {
            let before = entry.counts.logged();
            entry.counts.count(&mut decision, now, count);
            let (end, after) = (entry.counts.end(rule), entry.counts.logged());
            // An unchanged value is not written: the cache lines of other cores stay valid.
            if entry.end != end {
                entry.end = end;
            }
            if before != after {
                self.logged = self.logged + after - before;
            }
            while self.logged > self.max_logged && self.entries.len() > 1 {
                self.evict(Some(key));
            }
        }
        decision
    }

    fn find(&self, hash: u64, key: &QuotaKey) -> Option<usize> {
        let at = *self.index.get(&hash)?;
        (self.entries.get(at)?.key == *key).then_some(at)
    }

    /// Inserts `key`, within the bound on keys, and returns its index.
    fn insert(&mut self, hash: u64, key: &QuotaKey, rule: &QuotaRule, now: u64) -> usize {
        // Replaces another key with the same hash: one is to be expected among 2^32 keys.
        if let Some(at) = self.index.get(&hash) {
            self.remove(*at);
        }
        for _ in 0..PROBED_KEYS.min(self.entries.len()) {
            self.hand = self.after_hand(1);
            match self.entries.get(self.hand) {
                Some(entry) if entry.end <= now => self.remove(self.hand),
                _ => {}
            }
        }
        while self.entries.len() >= self.max_keys {
            self.evict(None);
        }
        let at = self.entries.len();
        self.index.insert(hash, at);
        self.entries.push(KeyEntry {
            hash,
            key: key.clone(),
            counts: WindowCounts::new(rule),
            end: now,
        });
        at
    }

    /// Removes the entry that ends first among the next few, but not the entry of `kept`.
    fn evict(&mut self, kept: Option<&QuotaKey>) {
        // One more candidate, so that there is another one beside `kept`.
        let candidates = (1..=PROBED_KEYS + 1).map(|steps| self.after_hand(steps));
        let candidates = candidates.filter_map(|at| Some((self.entries.get(at)?, at)));
        let victim = candidates
            .filter(|(entry, _)| Some(&entry.key) != kept)
            .min_by_key(|(entry, _)| entry.end)
            .map(|(_, at)| at);
        self.hand = self.after_hand(PROBED_KEYS);
        if let Some(at) = victim {
            self.remove(at);
        }
    }

    /// The index `steps` after the hand.
    fn after_hand(&self, steps: usize) -> usize {
        (self.hand + steps) % self.entries.len().max(1)
    }

    fn remove(&mut self, at: usize) {
        if at >= self.entries.len() {
            return;
        }
        let removed = self.entries.swap_remove(at);
        self.index.remove(&removed.hash);
        self.logged = self.logged.saturating_sub(removed.counts.logged());
        // The last entry has moved into the gap.
        let moved = self.entries.get(at);
        if let Some(index) = moved.and_then(|moved| self.index.get_mut(&moved.hash)) {
            *index = at;
        }
    }
}

impl Hasher for IdentityHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, hash: u64) {
        // The lowest bits chose the shard and are equal here; the map uses the bits at both ends.
        self.0 = hash.rotate_left(32);
    }

    /// Not called for a `u64`.
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
}
