//! Dead letters.

use std::collections::HashSet;
use std::sync::Arc;

use posthorn_domain::{Attempt, FailureReason, Message, MessageId, Timestamp};

use crate::ports::message_store::PageLimit;

/// The most dead letters and unsettled redriven messages of a consumer together.
pub const MAX_DEAD_LETTERS: usize = 10_000;

/// A message that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// A copy of the message.
    pub message: Arc<Message>,
    /// The number of the last attempt.
    pub attempts: Attempt,
    /// Why the last attempt failed.
    pub reason: Option<FailureReason>,
    /// When it was given up, by the store's clock.
    pub died_at: Timestamp,
}

/// Which dead letters to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadLetterRequest {
    /// Those after this id; from the first when `None`.
    pub after: Option<MessageId>,
    /// How many at most.
    pub limit: PageLimit,
}

/// A run of dead letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetterPage {
    /// The dead letters, in the order of ids: fewer than the limit if more would exceed about
    /// [`crate::ByteBudget::MAX`] bytes.
    pub letters: Vec<DeadLetter>,
    /// The ids of the dead letters among them that cannot be read, in ascending order: the record is
    /// damaged, or does not match its checksum. They count against the limit.
    pub unreadable: Vec<MessageId>,
    /// Whether there are dead letters after the last one of the page.
    pub has_more: bool,
}

impl DeadLetterPage {
    /// The last id of the page, readable or not.
    pub fn last_id(&self) -> Option<MessageId> {
        let letters = self.letters.last().map(|letter| letter.message.id);
        letters.max(self.unreadable.last().copied())
    }

    /// How many dead letters it has, readable or not.
    pub fn len(&self) -> usize {
        self.letters.len() + self.unreadable.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Which dead letters to redrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redrive {
    /// Those with the smallest ids that can be read, at most [`Redrive::MAX`].
    All,
    /// Those of these ids: at most [`Redrive::MAX`], none twice.
    Ids(Vec<MessageId>),
}

/// A redrive names no ids, or more than [`Redrive::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a list of 1 to {} ids", Redrive::MAX)]
pub struct RedriveError;

/// The outcome of a redrive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redriven {
    /// How many dead letters wait again.
    pub redriven: u64,
    /// How many dead letters are left.
    pub remaining: u64,
    /// The ids of the call that are no dead letters, in its order.
    pub unknown: Vec<MessageId>,
}

impl Redrive {
    /// The most dead letters of one call.
    pub const MAX: usize = 200;

    /// A redrive of these ids, each once.
    pub fn ids(mut ids: Vec<MessageId>) -> Result<Self, RedriveError> {
        if !(1..=Self::MAX).contains(&ids.len()) {
            return Err(RedriveError);
        }
        let mut seen = HashSet::with_capacity(ids.len());
        ids.retain(|id| seen.insert(*id));
        Ok(Self::Ids(ids))
    }
}
