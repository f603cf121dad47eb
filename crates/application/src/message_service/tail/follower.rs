//! A follower of a topic: reads the store up to the end of the topic, then the tail.

use std::sync::Arc;

use posthorn_domain::{Message, MessageId, Topic};

use super::frame_ring::RingRead;
use super::registry::{TailMembership, TailRegistry};
use super::topic_tail::Encode;
use crate::message_service::topic_cursor::{CursorEvent, TopicCursor};
use crate::ports::clock::Clock;
use crate::ports::message_store::{Anchor, MessageStore, StoreError};

/// Follows topics: each new message is read from the store once, and encoded once in a frame of type `F`,
/// however many follow its topic.
///
/// [`TopicTails::run`] has to run: without it, followers get stored messages and no new ones.
pub struct TopicTails<F>(Arc<TailRegistry<F>>);

/// The next event of a follower.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FollowEvent<F> {
    /// Retention removed messages after the follower's position, or the store never gave that id. The remaining
    /// messages come next: all that the topic holds if the position is after them.
    Gap {
        /// The oldest remaining message; `None` if there is none.
        first: Option<MessageId>,
    },
    /// The next messages, oldest first; at least one.
    Messages(Vec<Arc<Message>>),
    /// The next message is damaged and skipped.
    Unreadable {
        /// Its id.
        id: MessageId,
    },
    /// The next messages in one frame, which all followers at the end of the topic share.
    Frame(F),
}

/// A position in a topic, from which messages are returned without loss or repetition.
///
/// It reads the store until it has got everything, then joins the tail. A follower that is too slow for
/// the tail reads the store again, at its own speed. It holds at most 16 KiB, or one longer message.
pub struct TopicFollower<F> {
    cursor: TopicCursor,
    membership: TailMembership<F>,
    /// True if the follower has got everything up to a position of the tail.
    is_at_tail: bool,
}

impl<F: AsRef<[u8]> + Clone> TopicTails<F> {
    pub(crate) fn new(
        store: Arc<dyn MessageStore>,
        clock: Arc<dyn Clock>,
        encode: Encode<F>,
    ) -> Self {
        Self(Arc::new(TailRegistry::new(store, clock, encode)))
    }

    /// Follows `topic` from `start`, an [`Anchor::After`] or [`Anchor::Since`], or from now on if `None`.
    ///
    /// # Errors
    /// The store failed.
    pub async fn follow(
        &self,
        topic: Topic,
        start: Option<Anchor>,
    ) -> Result<TopicFollower<F>, StoreError> {
        let store = Arc::clone(&self.0.source.store);
        let cursor = TopicCursor::start(store, topic.clone(), start).await?;
        Ok(TopicFollower {
            cursor,
            // Not before: a follower that cannot start must not start a tail.
            membership: self.0.join(&topic),
            is_at_tail: false,
        })
    }

    /// Reads the followed topics until it is dropped.
    pub async fn run(&self) {
        self.0.run().await;
    }
}

impl<F: AsRef<[u8]> + Clone> TopicFollower<F> {
    /// The position: every message returned so far has this id or a smaller one.
    pub fn position(&self) -> MessageId {
        self.cursor.position()
    }

    /// Waits for the next event. Safe to drop and call again: no event is lost or repeated.
    ///
    /// # Errors
    /// After an error the follower keeps its position, and the call may be repeated.
    pub async fn next(&mut self) -> Result<FollowEvent<F>, StoreError> {
        loop {
            let event = if self.is_at_tail {
                self.read_tail().await
            } else {
                self.read_store().await?
            };
            if let Some(event) = event {
                return Ok(event);
            }
        }
    }

    async fn read_tail(&mut self) -> Option<FollowEvent<F>> {
        match self.membership.tail.after(self.cursor.position()) {
            RingRead::Frame { last, frame } => {
                self.cursor.advance_to(last);
                return Some(FollowEvent::Frame(frame));
            }
            RingRead::AtEnd if self.membership.has_ended() => self.is_at_tail = false,
            RingRead::AtEnd => self.membership.changed().await,
            RingRead::Behind => self.is_at_tail = false,
        }
        None
    }

    async fn read_store(&mut self) -> Result<Option<FollowEvent<F>>, StoreError> {
        self.membership.renew();
        // Before the look at the store, which has everything up to there.
        let tail_end = self.membership.tail.end();
        match (self.cursor.read().await?, tail_end) {
            (Some(CursorEvent::Gap { first }), _) => Ok(Some(FollowEvent::Gap { first })),
            (Some(CursorEvent::Messages(messages)), _) => Ok(Some(FollowEvent::Messages(messages))),
            (Some(CursorEvent::Unreadable { id }), _) => Ok(Some(FollowEvent::Unreadable { id })),
            (None, Some(end)) => {
                self.cursor.advance_to(end);
                self.is_at_tail = true;
                Ok(None)
            }
            (None, None) => {
                self.membership.changed().await;
                Ok(None)
            }
        }
    }
}
