//! Waits for a state, with a deadline.

use std::panic::Location;
use std::time::Duration;

use tokio::time::Instant;

/// The pause between two checks.
const PAUSE: Duration = Duration::from_millis(5);

/// Checks `condition` until it holds.
///
/// # Panics
/// If it does not hold within `deadline` of real time; the text names the caller's line.
#[track_caller]
pub fn eventually<F>(deadline: Duration, mut condition: F) -> impl Future<Output = ()>
where
    F: AsyncFnMut() -> bool,
{
    let caller = Location::caller();
    async move {
        let end = Instant::now() + deadline;
        while !condition().await {
            assert!(
                Instant::now() < end,
                "the condition at {caller} did not hold in {deadline:?}"
            );
            tokio::time::sleep(PAUSE).await;
        }
    }
}
