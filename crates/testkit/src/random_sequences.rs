//! Runs random sequences of operations, and shrinks a failing one.

use std::fmt::Debug;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestRunner};

/// Checks `cases` random values of `strategy` by `run`, on a runtime of their own; shrinks a failing
/// value.
///
/// # Panics
/// If `run` panics.
pub(crate) fn check_random<S: Strategy>(cases: u32, strategy: &S, run: impl AsyncFn(&S::Value))
where
    S::Value: Debug,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(strategy, |value| {
        runtime.block_on(run(&value));
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
