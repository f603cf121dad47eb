//! Reports each damaged message once.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use posthorn_domain::{MessageId, Topic};

use crate::metrics::MessageCounters;

/// The most messages to remember as reported.
const MAX_REPORTED: usize = 10_000;

/// Logs and counts damaged messages: each once, unless there are very many.
#[derive(Debug)]
pub(crate) struct UnreadableMessages {
    counters: MessageCounters,
    reported: Mutex<HashSet<(Topic, MessageId)>>,
}

impl UnreadableMessages {
    /// Counts in `counters`.
    pub(crate) fn new(counters: MessageCounters) -> Self {
        let reported = Mutex::default();
        Self { counters, reported }
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
                self.counters.unreadable();
                tracing::error!(%topic, %id, "a stored message is damaged and skipped");
            }
        }
    }
}
