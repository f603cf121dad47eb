//! Delivers the messages of all webhooks, in every process, without a leader: the lease of a message
//! decides which process attempts it.

mod all_webhooks;
mod attempt;
mod attempt_log;
mod attempt_window;
mod change_queue;
mod drain;
mod event_queue;
mod fleet;
mod hand_out;
mod pacer;
mod plan;
mod ports;
mod settlement;
mod stop;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use posthorn_domain::ConsumerKey;

use change_queue::ChangeQueue;
use drain::{Drain, RELEASE_TIME};
use fleet::Fleet;

pub use ports::WebhookDispatcherPorts;

/// How long a call waits for the deliveries to follow its change.
const FOLLOW_LIMIT: Duration = Duration::from_secs(1);

/// Runs one light worker for each enabled webhook.
///
/// An idle webhook costs nothing: its worker waits for a change of the consumer or for its next due
/// time. The number of attempts of a webhook at one moment is limited, so an endpoint that hangs
/// delays no other webhook.
pub struct WebhookDispatcher {
    ports: Arc<WebhookDispatcherPorts>,
    drain: Drain,
    changes: Arc<ChangeQueue>,
}

impl WebhookDispatcher {
    /// A dispatcher that does nothing until [`WebhookDispatcher::run`].
    pub fn new(ports: WebhookDispatcherPorts) -> Self {
        Self {
            ports: Arc::new(ports),
            drain: Drain::default(),
            changes: Arc::default(),
        }
    }

    /// Delivers for ever, and does nothing after a drain. The binary runs one for each process, as
    /// one task.
    pub async fn run(&self) {
        let fleet = Fleet::new(&self.ports, &self.drain, &self.changes);
        fleet.run().await;
        self.drain.finish();
        std::future::pending::<()>().await;
    }

    /// Returns once the deliveries of this process follow what the store has of the webhook `key`: no
    /// attempt starts by an older version. Returns at once if nothing is delivered, and after a second
    /// in any case.
    pub async fn follow(&self, key: &ConsumerKey) {
        let limit = self.ports.clock.sleep(FOLLOW_LIMIT);
        let followed = Box::pin(self.changes.announce(key.clone()));
        select(followed, limit).await;
    }

    /// Stops taking messages, waits up to `limit` for the attempts under way, then gives the
    /// leases of the others back, so that another process attempts them at once. Returns when all
    /// that is done, and in any case soon after `limit`.
    pub async fn drain(&self, limit: Duration) {
        let clock = &self.ports.clock;
        self.drain.request(clock.monotonic().saturating_add(limit));
        let end = clock.sleep(limit.saturating_add(RELEASE_TIME));
        let finished = Box::pin(self.drain.finished());
        if let Either::Right(_) = select(finished, end).await {
            tracing::warn!("webhook deliveries did not end in time; their leases expire");
        }
    }
}
