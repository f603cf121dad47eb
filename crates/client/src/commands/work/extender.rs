//! Extends the leases of the messages whose commands run.

use tokio::time::{sleep, timeout};

use super::worker::Worker;
use crate::error::{ClientError, RetryableError};
use crate::retry::Retry;

impl Worker<'_> {
    /// Extends all held leases three times per length of a lease, so that two calls may fail: a call, and the wait after
    /// it, end before the next one is due, whatever the server does.
    ///
    /// A stale lease is no longer extended. Its command continues: whether the effect of the command
    /// is complete is known only at its end.
    ///
    /// Returns the error with which the server rejects the calls.
    pub(super) async fn extend_held_leases(&self) -> ClientError {
        let mut retry = Retry::unlimited().with_reporter(&self.reporter);
        let patience = self.lease.get() / 6;
        let late = || RetryableError::new("no response to the extension of leases");
        loop {
            sleep(self.lease.get() / 3).await;
            // The tokens are read again for each try: during an outage some jobs end.
            let extend = async || {
                let tokens = self.held.tokens();
                if tokens.is_empty() {
                    return Ok(Vec::new());
                }
                let consumer = &self.consumer;
                let call = self.client.extend(consumer, &tokens, Some(self.lease));
                match timeout(patience, call)
                    .await
                    .unwrap_or_else(|_| Err(ClientError::Retryable(late())))
                {
                    Ok(result) => Ok(result.stale),
                    Err(ClientError::Retryable(mut error)) => {
                        error.retry_after = error.retry_after.map(|wait| wait.min(patience));
                        Err(ClientError::Retryable(error))
                    }
                    Err(error) => Err(error),
                }
            };
            match retry.run(extend).await {
                Ok(stale) => stale.iter().for_each(|lease| self.held.remove(lease)),
                Err(error) => return error,
            }
        }
    }
}
