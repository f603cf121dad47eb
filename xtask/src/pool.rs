//! Runs jobs side by side, a bounded number at once.

use std::collections::VecDeque;
use std::sync::Mutex;

/// The processors that this process may use; two if the system does not say.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// Runs every job, the first one first and at most `at_once` at a time, and returns the results in the order in
/// which the jobs ended.
pub(crate) fn run<J: Send, R: Send>(
    jobs: Vec<J>,
    at_once: usize,
    run: impl Fn(J) -> R + Sync,
) -> Vec<R> {
    let (left, done) = (Mutex::new(VecDeque::from(jobs)), Mutex::new(Vec::new()));
    let take = || left.lock().ok()?.pop_front();
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(job) = take() {
                    let result = run(job);
                    if let Ok(mut done) = done.lock() {
                        done.push(result);
                    }
                }
            });
        }
    });
    done.into_inner().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn as_many_jobs_run_at_once_as_may() {
        let barrier = Barrier::new(2);
        // Each waits for another one, which runs beside it.
        let mut done = run(vec![1, 2, 3, 4], 2, |job| {
            barrier.wait();
            job
        });
        done.sort_unstable();
        assert_eq!(done, [1, 2, 3, 4]);
    }

    #[test]
    fn the_first_job_runs_first() {
        assert_eq!(run(vec!["a", "b", "c"], 1, |job| job), ["a", "b", "c"]);
        assert_eq!(run(vec![], 1, |job: &str| job), Vec::<&str>::new());
    }
}
