//! Waits for a state, with a deadline.

use std::panic::Location;
use std::time::Duration;

use tokio::time::Instant;

/// The shortest and the longest pause between two checks. It grows with the time that passed, so that a long wait
/// leaves the processor to others.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(100));

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
        let start = Instant::now();
        while !condition().await {
            let waited = start.elapsed();
            assert!(
                waited < deadline,
                "the condition at {caller} did not hold in {deadline:?}"
            );
            let (shortest, longest) = PAUSES;
            tokio::time::sleep((waited / 20).clamp(shortest, longest)).await;
        }
    }
}
