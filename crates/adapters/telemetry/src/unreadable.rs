//! Reports each damaged message once.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use posthorn_domain::{MessageId, Topic};
use prometheus_client::metrics::counter::Counter;

/// The most messages to remember as reported.
const MAX_REPORTED: usize = 10_000;

/// Logs and counts damaged messages: each once, unless there are very many.
#[derive(Debug, Default)]
pub(crate) struct UnreadableMessages {
    counter: Counter,
    reported: Mutex<HashSet<(Topic, MessageId)>>,
}

impl UnreadableMessages {
    /// The counter of the messages that were reported.
    pub(crate) fn counter(&self) -> Counter {
        self.counter.clone()
    }

    /// Reports messages of `topic`.
    pub(crate) fn report(&self, topic: &Topic, ids: &[MessageId]) {
        if ids.is_empty() {
            return;
        }
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        for id in ids {
            if reported.len() >= MAX_REPORTED {
                reported.clear();
            }
            if reported.insert((topic.clone(), *id)) {
                self.counter.inc();
                tracing::error!(%topic, %id, "a stored message is damaged and skipped");
            }
        }
    }
}
