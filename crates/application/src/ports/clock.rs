//! The port for time, which tests control.

use std::time::Duration;

use async_trait::async_trait;
use posthorn_domain::Timestamp;

/// Reads the time and waits.
///
/// # Contract
/// - `monotonic` MUST never go back; its origin is arbitrary but fixed for the process.
/// - `sleep` MUST return no earlier than `duration` later by `monotonic`, and MUST be safe to drop.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The wall clock's time. It may jump in either direction.
    fn now(&self) -> Timestamp;

    /// Time since an arbitrary fixed origin; for measuring durations.
    fn monotonic(&self) -> Duration;

    /// Waits for `duration`.
    async fn sleep(&self, duration: Duration);
}
