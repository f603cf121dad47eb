//! Reports each damaged message once.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use posthorn_domain::{ConsumerKey, MessageId, Topic};
use prometheus_client::metrics::counter::Counter;

/// The most messages to remember as reported.
const MAX_REPORTED: usize = 10_000;

/// Logs and counts damaged messages: each once, unless there are very many.
#[derive(Debug, Default)]
pub(crate) struct UnreadableMessages {
    counter: Counter,
    reported: Mutex<HashSet<(Topic, Option<ConsumerKey>, MessageId)>>,
}

impl UnreadableMessages {
    /// The counter of the messages that were reported.
    pub(crate) fn counter(&self) -> Counter {
        self.counter.clone()
    }

    /// Reports messages of `topic`, or what `consumer` has of them: a dead letter, a redriven copy, or the message
    /// itself.
    pub(crate) fn report(&self, topic: &Topic, consumer: Option<&ConsumerKey>, ids: &[MessageId]) {
        if ids.is_empty() {
            return;
        }
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        for id in ids {
            if reported.len() >= MAX_REPORTED {
                reported.clear();
            }
            // A message counts once, whoever meets it.
            let is_new = reported.insert((topic.clone(), None, *id));
            if is_new {
                self.counter.inc();
            }
            let is_new_here = match consumer {
                None => is_new,
                Some(_) => reported.insert((topic.clone(), consumer.cloned(), *id)),
            };
            if !is_new_here {
                continue;
            }
            match consumer {
                None => tracing::error!(%topic, %id, "a stored message is damaged and skipped"),
                Some(ConsumerKey { kind, name, .. }) => tracing::error!(
                    %topic, %id, kind = kind.as_str(), consumer = %name,
                    "a message or its copy is damaged and skipped by a consumer"
                ),
            }
        }
    }
}
