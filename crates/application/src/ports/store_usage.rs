//! What a message store holds, and whose data it is.

use std::fmt;

/// The identity of a store's data: a random number that is made with the store and kept in it. A backup has that of its
/// store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreIdentity(u64);

impl StoreIdentity {
    /// The identity with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// Sixteen hexadecimal digits.
impl fmt::Display for StoreIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// How much a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreUsage {
    /// The number of topics, as their limit counts them.
    pub topics: u64,
    /// The bytes of everything, as their limit counts them; `None` if another server counts them.
    pub bytes: Option<u64>,
    /// The identity of its data; `None` if it keeps none, or if that cannot be read.
    pub identity: Option<StoreIdentity>,
}
