//! What a sequence of operations refers to: ids, tokens and positions by small numbers.

use posthorn_application::{Clock, ConsumerError};
use posthorn_domain::{ConsumerPosition, LeaseToken, MessageId, Timestamp};

use super::model::ConsumerModel;
use super::operations::Position;
use super::schedule::ConsumerSchedule;
use super::values::pick;
use crate::webhook_contract::WebhookHarness;

impl<H: WebhookHarness> ConsumerSchedule<H> {
    pub(super) fn on_model<T>(
        &mut self,
        consumer: u8,
        operation: impl FnOnce(&mut ConsumerModel) -> T,
    ) -> Result<T, ConsumerError> {
        let model = self.consumers[usize::from(consumer)].as_mut();
        model.map(operation).ok_or(ConsumerError::NotFound)
    }

    pub(super) fn now(&self) -> Timestamp {
        match self.harness.clock() {
            Some(clock) => clock.now(),
            None => Timestamp::from_millis(self.ticks),
        }
    }

    pub(super) fn has_clock(&self) -> bool {
        self.harness.clock().is_some()
    }

    pub(super) fn newest(&self) -> MessageId {
        self.given.last().copied().unwrap_or(MessageId::MIN)
    }

    /// One of the ids given so far, or the least one.
    pub(super) fn id(&self, place: u8) -> MessageId {
        let place = usize::from(place) % (self.given.len() + 1);
        self.given.get(place).copied().unwrap_or(MessageId::MIN)
    }

    /// One of the last 16 tokens, so that many are of valid leases.
    pub(super) fn token(&self, place: u8) -> Option<LeaseToken> {
        pick(&self.tokens[self.tokens.len().saturating_sub(16)..], place)
    }

    pub(super) fn position(&self, position: Position) -> ConsumerPosition {
        match position {
            Position::Oldest => ConsumerPosition::Oldest,
            Position::Newest => ConsumerPosition::Newest,
            Position::After(id) => ConsumerPosition::After(self.id(id)),
            Position::From(id) => ConsumerPosition::From(self.id(id).timestamp()),
        }
    }
}
