//! Runs random sequences of operations on a store and on the model.

use proptest::test_runner::{Config, TestRunner};

use super::operations::{ScheduledOperation, operations};
use super::schedule::ConsumerSchedule;
use crate::webhook_contract::WebhookHarness;

/// Checks `cases` random sequences of operations, each on a fresh store made by `make`; shrinks
/// what fails. With a real clock nothing expires: leases are long, and delays none or a day.
///
/// # Panics
/// When the store and the model differ.
pub fn check<H: WebhookHarness>(cases: u32, make: impl AsyncFn() -> H) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&operations(), |operations| {
        runtime.block_on(async { run(make().await, &operations).await });
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
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
