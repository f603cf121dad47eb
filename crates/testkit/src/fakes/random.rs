//! A random source whose numbers are known.

use std::sync::atomic::{AtomicU64, Ordering};

use posthorn_application::RandomSource;

/// Gives 1, 2, 3, …
#[derive(Debug, Default)]
pub struct FakeRandom(AtomicU64);

impl RandomSource for FakeRandom {
    fn bits(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}
