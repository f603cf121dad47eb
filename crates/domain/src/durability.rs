//! The durability of an acknowledged message.

use std::fmt;
use std::str::FromStr;

/// The guarantee at the time of the acknowledgement, from the weakest to the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Durability {
    /// In the memory of a process: a crash of that process loses the message.
    Memory,
    /// On stable storage (`fsync` returned): the message survives a crash or a power cut.
    Synced,
    /// On at least one more node: the message survives the loss of one node.
    Replicated,
}

/// A text is not the name of a durability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("one of: memory, synced, replicated")]
pub struct DurabilityError;

impl Durability {
    /// The name on the wire, in the configuration and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Synced => "synced",
            Self::Replicated => "replicated",
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Durability {
    type Err = DurabilityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Memory, Self::Synced, Self::Replicated]
            .into_iter()
            .find(|durability| durability.as_str() == text)
            .ok_or(DurabilityError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_order_by_strength() {
        for durability in [
            Durability::Memory,
            Durability::Synced,
            Durability::Replicated,
        ] {
            assert_eq!(durability.to_string().parse(), Ok(durability));
        }
        assert_eq!("Synced".parse::<Durability>(), Err(DurabilityError));
        assert!(Durability::Memory < Durability::Synced);
        assert!(Durability::Synced < Durability::Replicated);
    }
}
