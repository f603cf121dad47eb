//! Randomness, as a port.

/// Gives random bits.
///
/// # Contract
/// - The bits MUST come from a cryptographically secure generator: nobody can guess the next ones
///   from those already seen.
/// - `bits` MUST NOT block and cannot fail.
pub trait RandomSource: Send + Sync {
    /// 64 random bits.
    fn bits(&self) -> u64;
}
