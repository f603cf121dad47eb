//! The `RevocationList` port in the memory of this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use posthorn_application::{Clock, RevocationList, RevocationListError};
use posthorn_domain::{Timestamp, TokenId};

/// The most ids that are remembered: some 10 MiB.
const MAX_IDS: usize = 100_000;

/// Remembers ids until the process ends; no operation waits.
///
/// What has ended is forgotten when there is no room for a new id; while there is still none, new
/// ids are refused.
pub struct MemoryRevocationList {
    clock: Arc<dyn Clock>,
    max_ids: usize,
    ends: Mutex<HashMap<TokenId, Timestamp>>,
}

impl MemoryRevocationList {
    /// An empty list of at most 100 000 ids.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_room_for(MAX_IDS, clock)
    }

    /// An empty list of at most `max_ids` ids.
    pub fn with_room_for(max_ids: usize, clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            max_ids,
            ends: Mutex::default(),
        }
    }
}

#[async_trait]
impl RevocationList for MemoryRevocationList {
    async fn revoke(&self, id: &TokenId, until: Timestamp) -> Result<(), RevocationListError> {
        let now = self.clock.now();
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
            let text = format!("the list is full: {} ids are revoked", ends.len());
            return Err(RevocationListError::Failed(text));
        }
        ends.insert(id.clone(), until);
        Ok(())
    }

    async fn is_revoked(&self, id: &TokenId) -> Result<bool, RevocationListError> {
        let now = self.clock.now();
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(ends.get(id).is_some_and(|end| *end > now))
    }
}
