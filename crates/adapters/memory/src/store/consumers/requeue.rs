//! Making settled messages wait again.

use posthorn_application::{RequeueRequest, Requeued, StoreError};
use posthorn_domain::Attempt;

use super::consumer::{ConsumerState, ConsumerStep};
use super::entries::{ConsumerEntry, EntryState};

impl ConsumerState {
    /// Makes settled messages wait again.
    ///
    /// # Errors
    /// [`StoreError::Full`] if the store holds too many entries for the first of them.
    pub(crate) fn requeue(
        &mut self,
        request: RequeueRequest,
        step: ConsumerStep<'_>,
    ) -> Result<Requeued, StoreError> {
        let mut outcome = Requeued::default();
        let mut free_entries = step.free_entries;
        let to = request.to.min(self.cursor);
        let rest = |from| {
            Some(RequeueRequest {
                from,
                to,
                ..request
            })
        };
        let ids = step
            .log
            .newer_than_or_at(request.from)
            .map(|message| message.id);
        for (examined, id) in ids.take_while(|id| *id <= to).enumerate() {
            if examined == request.limit.get() {
                outcome.next = rest(id);
                break;
            }
            if self.entries.get(id).is_some() || self.dead.contains(id) {
                continue;
            }
            if free_entries == 0 {
                if outcome.queued == 0 {
                    let text = "the memory store holds too many redeliveries".to_owned();
                    return Err(StoreError::Full(text));
                }
                outcome.next = rest(id);
                break;
            }
            free_entries -= 1;
            outcome.queued += 1;
            let (attempt, due) = (Attempt::FIRST, step.now);
            let entry = ConsumerEntry {
                state: EntryState::Waiting { attempt, due },
                reason: None,
                copy: None,
            };
            self.entries.insert(id, entry);
        }
        Ok(outcome)
    }
}
