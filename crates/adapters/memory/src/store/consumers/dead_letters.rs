//! The copies of one consumer: its dead letters, and the bytes of all copies.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use posthorn_application::{ByteBudget, DeadLetter, DeadLetterPage, DeadLetterRequest};
use posthorn_domain::{Message, MessageId};

use crate::weight::weight;

#[derive(Default)]
pub(super) struct DeadLetters {
    letters: BTreeMap<MessageId, DeadLetter>,
    /// The weight of the dead letters and of the redriven copies.
    bytes: usize,
}

impl DeadLetters {
    pub(super) fn len(&self) -> usize {
        self.letters.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Replaces the dead letter of the same message.
    pub(super) fn insert(&mut self, letter: DeadLetter) {
        self.bytes += weight_of(&letter.message);
        if let Some(replaced) = self.letters.insert(letter.message.id, letter) {
            self.drop_copy(&replaced.message);
        }
    }

    pub(super) fn get(&self, id: MessageId) -> Option<&DeadLetter> {
        self.letters.get(&id)
    }

    pub(super) fn contains(&self, id: MessageId) -> bool {
        self.letters.contains_key(&id)
    }

    /// Takes the dead letter `id` out. Its weight stays until [`DeadLetters::drop_copy`].
    pub(super) fn take(&mut self, id: MessageId) -> Option<DeadLetter> {
        self.letters.remove(&id)
    }

    /// Takes the dead letter with the smallest id out. Its weight stays.
    pub(super) fn take_first(&mut self) -> Option<DeadLetter> {
        self.letters.pop_first().map(|(_, letter)| letter)
    }

    /// Subtracts the weight of a copy that is no longer kept.
    pub(super) fn drop_copy(&mut self, copy: &Arc<Message>) {
        self.bytes -= weight_of(copy);
    }

    pub(super) fn page(&self, request: DeadLetterRequest) -> DeadLetterPage {
        let start = request.after.map_or(Bound::Unbounded, Bound::Excluded);
        let (mut page, mut budget) = (DeadLetterPage::default(), ByteBudget::default());
        for letter in self
            .letters
            .range((start, Bound::Unbounded))
            .map(|(_, letter)| letter)
        {
            page.has_more =
                page.letters.len() >= request.limit.get() || !budget.admits(&letter.message);
            if page.has_more {
                break;
            }
            page.letters.push(letter.clone());
        }
        page
    }
}

fn weight_of(message: &Message) -> usize {
    weight(message.parts())
}
