//! Pulls messages.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::worker::Worker;
use crate::api::{PullLimits, ReceivedMessage};
use crate::error::ClientError;
use crate::retry::Retry;

/// How long the server lets a pull wait.
const WAIT: Duration = Duration::from_secs(20);
/// The shortest time between two pulls of which the first was empty. A server that stops responds
/// at once instead of after [`WAIT`].
const MIN_EMPTY_INTERVAL: Duration = Duration::from_secs(1);

impl Worker<'_> {
    /// Pulls until there are messages, at most `max`, and holds their leases.
    pub(super) async fn pull(&self, max: usize) -> Result<Vec<ReceivedMessage>, ClientError> {
        let mut retry = Retry::unlimited().with_reporter(&self.reporter);
        let consumer = &self.consumer;
        let limits = PullLimits {
            max: Some(max),
            wait: Some(WAIT),
            lease: Some(self.lease),
        };
        let pull = async || self.client.pull(consumer, limits).await;
        loop {
            let started = Instant::now();
            let messages = retry.run(pull).await?;
            if !messages.is_empty() {
                for message in &messages {
                    self.held.insert(&message.lease);
                }
                return Ok(messages);
            }
            sleep_until(started + MIN_EMPTY_INTERVAL).await;
        }
    }
}
