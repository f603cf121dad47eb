//! When a failed call is tried again, and what is printed meanwhile.

mod delay;
mod reporter;

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::error::{ClientError, RetryableError};
use delay::RetryDelay;

pub(crate) use reporter::RetryReporter;

/// The tries of one call, or of a series of calls to one server.
#[derive(Debug)]
pub struct Retry {
    delay: RetryDelay,
    reporter: RetryReporter,
    /// `None` for tries without end.
    limit: Option<(Duration, Instant)>,
}

impl Retry {
    /// Tries without end.
    pub fn unlimited() -> Self {
        Self {
            delay: RetryDelay::default(),
            reporter: RetryReporter::default(),
            limit: None,
        }
    }

    /// Tries until `limit` from now.
    pub fn within(limit: Duration) -> Self {
        // A limit beyond what the clock can express is none.
        let deadline = Instant::now().checked_add(limit);
        Self {
            limit: deadline.map(|deadline| (limit, deadline)),
            ..Self::unlimited()
        }
    }

    /// Reports failures together with those of other calls to the same server.
    pub(crate) fn with_reporter(self, reporter: &RetryReporter) -> Self {
        let reporter = reporter.clone();
        Self { reporter, ..self }
    }

    /// Calls until a try succeeds. A try ends with the time limit, but for one of zero, which is one try.
    ///
    /// # Errors
    /// The first error that is not retryable; [`ClientError::GaveUp`] if a try would start or end
    /// after the time limit.
    pub async fn run<T>(
        &mut self,
        call: impl AsyncFn() -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        loop {
            let outcome = match self.limit {
                Some((limit, deadline)) if !limit.is_zero() => {
                    let reason = || "the server has not responded".to_owned();
                    let late = |_| {
                        Err(ClientError::GaveUp {
                            limit,
                            reason: reason(),
                        })
                    };
                    timeout_at(deadline, call()).await.unwrap_or_else(late)
                }
                _ => call().await,
            };
            match outcome {
                Err(ClientError::Retryable(error)) => self.wait_after(&error).await?,
                Err(error) => return Err(error),
                Ok(value) => {
                    self.reset();
                    return Ok(value);
                }
            }
        }
    }

    /// Reports a failed try and waits before the next.
    ///
    /// # Errors
    /// [`ClientError::GaveUp`] if the next try would start after the time limit.
    pub async fn wait_after(&mut self, error: &RetryableError) -> Result<(), ClientError> {
        let delay = self.delay.next(error.retry_after);
        if let Some((limit, deadline)) = self.limit
            && Instant::now()
                .checked_add(delay)
                .is_none_or(|next| next > deadline)
        {
            let reason = error.reason.clone();
            return Err(ClientError::GaveUp { limit, reason });
        }
        self.reporter.failed(&error.reason);
        sleep(delay).await;
        Ok(())
    }

    /// Waits at least `at_least` before a connection that ended in an orderly way is opened again,
    /// without a report.
    pub async fn wait_to_reconnect(&mut self, at_least: Option<Duration>) {
        sleep(self.delay.next(at_least)).await;
    }

    /// Reports that the server responds again; the delays continue to grow until [`Self::reset`].
    pub fn connected(&mut self) {
        self.reporter.succeeded();
    }

    /// Reports that the server responds again and starts over with the shortest delay.
    pub fn reset(&mut self) {
        self.reporter.succeeded();
        self.delay.reset();
    }
}
