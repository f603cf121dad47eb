//! The `RevocationList` port in the memory of this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use posthorn_application::{BackendError, Clock, GuardedClock, RevocationList};
use posthorn_domain::{Timestamp, TokenId};

/// The most ids: some 10 MiB.
const MAX_IDS: usize = 100_000;

/// Stores revoked ids until the process ends; no operation waits.
///
/// Ids expire by the earliest time of [`TimeBounds`](posthorn_application::TimeBounds): a jump of the
/// clock forgets none. Expired ids are removed when the list is full. A list full of current ids rejects new ones.
pub struct MemoryRevocationList {
    clock: GuardedClock,
    max_ids: usize,
    ends: Mutex<HashMap<TokenId, Timestamp>>,
}

impl MemoryRevocationList {
    /// An empty list of at most 100,000 ids.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_max_ids(MAX_IDS, clock)
    }

    /// An empty list of at most `max_ids` ids.
    pub fn with_max_ids(max_ids: usize, clock: Arc<dyn Clock>) -> Self {
        Self {
            clock: GuardedClock::new(clock, None),
            max_ids,
            ends: Mutex::default(),
        }
    }
}

#[async_trait]
impl RevocationList for MemoryRevocationList {
    async fn revoke(&self, id: &TokenId, until: Timestamp) -> Result<(), BackendError> {
        let now = self.clock.bounds().earliest;
        if until <= now {
            return Ok(());
        }
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(end) = ends.get_mut(id) {
            *end = until.max(*end);
            return Ok(());
        }
        if ends.len() >= self.max_ids {
            ends.retain(|_, end| *end > now);
        }
        if ends.len() >= self.max_ids {
            let text = format!("the revocation list is full: it holds {} ids", ends.len());
            return Err(BackendError::Failed(text));
        }
        ends.insert(id.clone(), until);
        Ok(())
    }

    async fn is_revoked(&self, id: &TokenId) -> Result<bool, BackendError> {
        let now = self.clock.bounds().earliest;
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(ends.get(id).is_some_and(|end| *end > now))
    }
}
