//! Runs random sequences of operations on a store and on the model.

use super::operations::{ScheduledOperation, operations};
use super::schedule::ConsumerSchedule;
use crate::random_sequences::check_random;
use crate::webhook_contract::WebhookHarness;

/// Checks `cases` random sequences of operations, each on a fresh store made by `make`; shrinks
/// what fails. With a real clock nothing expires: leases are long, and delays none or a day.
///
/// # Panics
/// When the store and the model differ.
pub fn check<H: WebhookHarness>(cases: u32, make: impl AsyncFn() -> H) {
    check_random(cases, &operations(), async |operations| {
        run(make().await, operations).await;
    });
}

async fn run(harness: impl WebhookHarness, operations: &[ScheduledOperation]) {
    let mut run = ConsumerSchedule::new(harness);
    for (step, operation) in operations.iter().enumerate() {
        let context = format!("step {step}, {operation:?}");
        run.tick().await;
        run.step(operation, &context).await;
        run.compare(&context).await;
    }
    run.compare_dead_letters().await;
}
