//! The `RandomSource` port over the generator of the thread, which is cryptographically secure.

use posthorn_application::RandomSource;

/// The generator of the calling thread, seeded by the system.
#[derive(Clone, Copy, Debug)]
pub struct ThreadRng;

impl RandomSource for ThreadRng {
    fn bits(&self) -> u64 {
        rand::random()
    }
}
