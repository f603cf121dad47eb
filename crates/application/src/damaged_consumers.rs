//! Logs each damaged consumer once.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use posthorn_domain::{ConsumerKind, Topic};

use crate::ports::message_store::StoreError;

/// The most consumers to remember as logged.
const MAX_LOGGED: usize = 10_000;

/// The damaged consumers and webhooks that a store left out of its lists: those are read every few seconds.
#[derive(Debug, Default)]
pub struct DamagedConsumers(Mutex<HashSet<(Topic, ConsumerKind, String)>>);

impl DamagedConsumers {
    /// Logs `error`, which hides the consumer `name`, unless it was logged before.
    pub fn report(&self, topic: &Topic, kind: ConsumerKind, name: &str, error: &StoreError) {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.len() >= MAX_LOGGED {
            logged.clear();
        }
        if logged.insert((topic.clone(), kind, name.to_owned())) {
            let kind = kind.as_str();
            tracing::error!(%topic, kind, consumer = name, %error, "a stored consumer is damaged and left out");
        }
    }
}
