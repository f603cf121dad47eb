//! Retention: removes messages outside the policy, in the background.

use std::sync::Arc;
use std::time::Duration;

use crate::ports::clock::Clock;
use crate::ports::message_store::{
    MessageStore, Pruned, RetentionPolicy, StoreError, StoreIdentity,
};

/// The shortest lead of the ids that is logged: clocks of several servers differ by less.
const LOGGED_LEAD: Duration = Duration::from_secs(10);

/// The policy, and the division of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionSettings {
    /// The policy, per topic.
    pub policy: RetentionPolicy,
    /// The wait between rounds.
    pub interval: Duration,
    /// The most messages of one step, about, so that a step never blocks appends for long.
    pub budget: usize,
    /// The wait between the steps of a round.
    pub pause: Duration,
}

impl RetentionSettings {
    /// Prunes by `policy` every 10 seconds, in steps of about 2000 messages with pauses of 20 ms.
    pub const fn new(policy: RetentionPolicy) -> Self {
        Self {
            policy,
            interval: Duration::from_secs(10),
            budget: 2_000,
            pause: Duration::from_millis(20),
        }
    }
}

/// Prunes a store in rounds.
pub struct RetentionService {
    store: Arc<dyn MessageStore>,
    clock: Arc<dyn Clock>,
    settings: RetentionSettings,
}

impl RetentionService {
    /// Prunes `store` by `settings`.
    pub fn new(
        store: Arc<dyn MessageStore>,
        clock: Arc<dyn Clock>,
        settings: RetentionSettings,
    ) -> Self {
        Self {
            store,
            clock,
            settings,
        }
    }

    /// Prunes for ever. The binary runs one per process; several processes may prune one store.
    pub async fn run(&self) {
        let mut failing = false;
        let mut leading = false;
        let mut identity = None;
        loop {
            match self.round().await {
                Ok(Pruned {
                    removed, id_lead, ..
                }) => {
                    failing = false;
                    if removed > 0 {
                        tracing::info!(removed, "pruned messages that retention no longer keeps");
                    }
                    report_lead(&mut leading, id_lead);
                }
                Err(error) if failing => tracing::debug!(%error, "pruning still fails"),
                Err(error) => {
                    failing = true;
                    tracing::warn!(%error, "pruning failed, trying again later");
                }
            }
            // Also for the metrics, which a decorator of the store keeps.
            match self.store.usage().await {
                Ok(usage) => report_identity(&mut identity, usage.identity),
                Err(error) => tracing::debug!(%error, "the usage of the store cannot be read"),
            }
            self.clock.sleep(self.settings.interval).await;
        }
    }

    /// Prunes until the policy is met; returns the number of removed messages, and the rest of the
    /// last outcome.
    pub async fn round(&self) -> Result<Pruned, StoreError> {
        let mut removed = 0_u64;
        loop {
            let pruned = self
                .store
                .prune(&self.settings.policy, self.settings.budget)
                .await?;
            removed = removed.saturating_add(pruned.removed);
            if !pruned.more {
                return Ok(Pruned { removed, ..pruned });
            }
            self.clock.sleep(self.settings.pause).await;
        }
    }
}

/// Logs when the ids begin or cease to be ahead of the store's clock.
fn report_lead(leading: &mut bool, lead: Duration) {
    let leads = lead >= LOGGED_LEAD;
    if leads && !*leading {
        tracing::warn!(
            ahead_seconds = lead.as_secs(),
            "the ids of messages are ahead of the clock, which was set back: new ids stay ahead until \
             it has caught up"
        );
    } else if *leading && !leads {
        tracing::info!("the clock has caught up with the ids of messages");
    }
    *leading = leads;
}

/// Logs when the data is that of another store than before.
fn report_identity(known: &mut Option<StoreIdentity>, found: Option<StoreIdentity>) {
    let Some(found) = found else { return };
    if let Some(before) = known.replace(found)
        && before != found
    {
        tracing::error!(
            %before, now = %found,
            "the store has another identity: its data was lost, emptied or replaced while this process runs"
        );
    }
}
