//! Some of the keys, within bounds.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use posthorn_application::{QuotaDecision, QuotaKey};
use posthorn_domain::QuotaRule;

use super::counted::{self, Counted};

/// How many keys are looked at when a new one comes: those that have ended go.
const LOOK: usize = 8;

/// Some of the keys.
#[derive(Debug)]
pub(super) struct Shard {
    /// By the hash of the key, which is a keyed one: nobody can choose keys that collide.
    places: HashMap<u64, usize, BuildHasherDefault<Hashed>>,
    tracked: Vec<Tracked>,
    /// Where the next look begins.
    hand: usize,
    /// The requests that all keys remember.
    remembered: usize,
    max_keys: usize,
    max_remembered: usize,
}

/// One key.
#[derive(Debug)]
struct Tracked {
    hash: u64,
    key: QuotaKey,
    counted: Counted,
    end: u64,
}

/// A hasher for what is a hash already.
#[derive(Clone, Copy, Debug, Default)]
struct Hashed(u64);

impl Shard {
    pub(super) fn new(max_keys: usize, max_remembered: usize) -> Self {
        Self {
            places: HashMap::default(),
            tracked: Vec::new(),
            hand: 0,
            remembered: 0,
            max_keys,
            max_remembered,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.tracked.len()
    }

    pub(super) fn peek(
        &self,
        hash: u64,
        key: &QuotaKey,
        rule: &QuotaRule,
        now: u64,
    ) -> QuotaDecision {
        let tracked = self.place(hash, key).and_then(|at| self.tracked.get(at));
        match tracked.filter(|tracked| tracked.counted.suits(rule)) {
            Some(tracked) => tracked.counted.look(rule, now),
            None => counted::unused(rule, now),
        }
    }

    pub(super) fn hit(
        &mut self,
        hash: u64,
        key: &QuotaKey,
        rule: &QuotaRule,
        now: u64,
    ) -> QuotaDecision {
        let place = match self.place(hash, key) {
            Some(place) => place,
            None => self.track(hash, key, rule, now),
        };
        let Some(tracked) = self.tracked.get_mut(place) else {
            // Every place in the index is one of the list.
            return counted::unused(rule, now);
        };
        if !tracked.counted.suits(rule) {
            self.remembered -= tracked.counted.remembered();
            tracked.counted = Counted::new(rule);
        }
        let mut decision = tracked.counted.look(rule, now);
        if decision.allowed {
            let before = tracked.counted.remembered();
            tracked.counted.count(&mut decision, now);
            let (end, after) = (tracked.counted.end(rule), tracked.counted.remembered());
            // What stays as it is is not written: other processors keep their copies of it.
            if tracked.end != end {
                tracked.end = end;
            }
            if before != after {
                self.remembered = self.remembered + after - before;
            }
            while self.remembered > self.max_remembered && self.tracked.len() > 1 {
                self.forget_one(Some(key));
            }
        }
        decision
    }

    fn place(&self, hash: u64, key: &QuotaKey) -> Option<usize> {
        let place = *self.places.get(&hash)?;
        let is_of_key = self.tracked.get(place)?.key == *key;
        is_of_key.then_some(place)
    }

    /// Makes room for `key` and gives its place.
    fn track(&mut self, hash: u64, key: &QuotaKey, rule: &QuotaRule, now: u64) -> usize {
        // Another key with the same hash gives way; it takes some 2^32 keys to see that happen.
        if let Some(place) = self.places.get(&hash) {
            self.forget(*place);
        }
        for _ in 0..LOOK.min(self.tracked.len()) {
            self.hand = self.turned(1);
            match self.tracked.get(self.hand) {
                Some(tracked) if tracked.end <= now => self.forget(self.hand),
                _ => {}
            }
        }
        while self.tracked.len() >= self.max_keys {
            self.forget_one(None);
        }
        let place = self.tracked.len();
        self.places.insert(hash, place);
        self.tracked.push(Tracked {
            hash,
            key: key.clone(),
            counted: Counted::new(rule),
            end: now,
        });
        place
    }

    /// Forgets one of the next few keys, but not `kept`: the one that ends first.
    fn forget_one(&mut self, kept: Option<&QuotaKey>) {
        // One more than needed, so that there is another one beside `kept`.
        let next = (1..=LOOK + 1).map(|steps| self.turned(steps));
        let ending = next.filter_map(|place| Some((self.tracked.get(place)?, place)));
        let victim = ending
            .filter(|(tracked, _)| Some(&tracked.key) != kept)
            .min_by_key(|(tracked, _)| tracked.end)
            .map(|(_, place)| place);
        self.hand = self.turned(LOOK);
        if let Some(place) = victim {
            self.forget(place);
        }
    }

    /// The hand's place after `steps` more.
    fn turned(&self, steps: usize) -> usize {
        (self.hand + steps) % self.tracked.len().max(1)
    }

    fn forget(&mut self, place: usize) {
        if place >= self.tracked.len() {
            return;
        }
        let gone = self.tracked.swap_remove(place);
        self.places.remove(&gone.hash);
        self.remembered = self.remembered.saturating_sub(gone.counted.remembered());
        let moved = self.tracked.get(place);
        if let Some(index) = moved.and_then(|moved| self.places.get_mut(&moved.hash)) {
            *index = place;
        }
    }
}

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, hash: u64) {
        // The lowest bits chose the shard, so they are alike here; the map looks at both ends.
        self.0 = hash.rotate_left(32);
    }

    /// Not called for a `u64`.
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
}
