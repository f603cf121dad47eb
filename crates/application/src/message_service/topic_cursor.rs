//! The cursor over a topic of the store.

use std::collections::VecDeque;
use std::sync::Arc;

use posthorn_domain::{Message, MessageId, Topic};

use crate::ports::message_store::{
    Anchor, ByteBudget, MessageStore, Page, PageLimit, PageRequest, StoreError,
};

/// The messages of one read: few, because a cursor keeps only as many bytes as it may hold.
const PAGE: usize = 16;
/// The most bytes of messages that a cursor holds, unless one message has more.
const MAX_HELD_BYTES: usize = 16 * 1024;

/// The next event of a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CursorEvent {
    /// Retention removed messages after the cursor's position, or the store never gave that id. The remaining
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
}

/// A position in a topic of the store.
pub(super) struct TopicCursor {
    store: Arc<dyn MessageStore>,
    topic: Topic,
    /// Where the next page begins.
    anchor: Anchor,
    /// True if the gap at this position was reported, or there is none to report.
    gap_reported: bool,
    /// True if the gap was at an earlier position.
    gap_is_due: bool,
    /// The events of the last page that were not returned yet.
    pending: VecDeque<CursorEvent>,
}

impl TopicCursor {
    /// A cursor from `start`, an [`Anchor::After`] or [`Anchor::Since`], or at the end if `None`.
    pub(super) async fn start(
        store: Arc<dyn MessageStore>,
        topic: Topic,
        start: Option<Anchor>,
    ) -> Result<Self, StoreError> {
        let anchor = match start {
            Some(anchor) => anchor,
            None => Anchor::After(newest(&*store, &topic).await?),
        };
        // A cursor that starts now missed nothing, whatever was pruned before.
        let gap_reported = start.is_none();
        Ok(Self {
            store,
            topic,
            anchor,
            gap_reported,
            gap_is_due: false,
            pending: VecDeque::new(),
        })
    }

    /// The position: every message returned so far has this id or a smaller one.
    pub(super) fn position(&self) -> MessageId {
        match self.anchor {
            Anchor::After(id) | Anchor::Since(id) | Anchor::Before(id) => id,
            Anchor::Oldest | Anchor::Newest => MessageId::MIN,
        }
    }

    /// Moves on to `position`: the messages before it were got from elsewhere.
    pub(super) fn advance_to(&mut self, position: MessageId) {
        if position > self.position() {
            self.anchor = Anchor::after(position);
            self.gap_reported = false;
        }
    }

    /// The next event; `None` if the topic has nothing after the position. Safe to drop and call again:
    /// no event is lost or repeated.
    ///
    /// # Errors
    /// After an error the cursor keeps its position, and the call may be repeated.
    pub(super) async fn read(&mut self) -> Result<Option<CursorEvent>, StoreError> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                self.pass(&event);
                return Ok(Some(event));
            }
            let request = PageRequest {
                anchor: self.anchor,
                limit: PageLimit::parse(PAGE).unwrap_or(PageLimit::DEFAULT),
            };
            let mut page = self.store.page(&self.topic, request).await?;
            truncate_to_fit(&mut page);
            if (page.truncated || self.gap_is_due) && !self.gap_reported {
                let start = Anchor::After(page.pruned.unwrap_or(MessageId::MIN));
                if page.is_empty() && self.anchor != start {
                    // The position may be after all messages, those to come included: begin with the oldest.
                    self.anchor = start;
                    self.gap_is_due = true;
                    continue;
                }
                // Once per position: in an empty topic the position does not advance after the gap.
                self.gap_reported = true;
                self.gap_is_due = false;
                let first = page.first();
                self.pending.push_back(CursorEvent::Gap { first });
            }
            self.pending.extend(events(page));
            if self.pending.is_empty() {
                return Ok(None);
            }
        }
    }

    /// Advances the position behind an event.
    fn pass(&mut self, event: &CursorEvent) {
        let last = match event {
            CursorEvent::Gap { .. } => None,
            CursorEvent::Messages(messages) => messages.last().map(|message| message.id),
            CursorEvent::Unreadable { id } => Some(*id),
        };
        if let Some(last) = last {
            self.anchor = Anchor::After(last);
            self.gap_reported = false;
        }
    }
}

/// The events of a page, in the order of ids.
fn events(page: Page) -> Vec<CursorEvent> {
    let mut events = Vec::with_capacity(1);
    let mut messages = page.messages;
    for id in page.unreadable {
        let before = messages.partition_point(|message| message.id < id);
        let rest = messages.split_off(before);
        if !messages.is_empty() {
            events.push(CursorEvent::Messages(messages));
        }
        events.push(CursorEvent::Unreadable { id });
        messages = rest;
    }
    if !messages.is_empty() {
        events.push(CursorEvent::Messages(messages));
    }
    events
}

/// Truncates to the first messages that fit, at least one.
fn truncate_to_fit(page: &mut Page) {
    let mut budget = ByteBudget::new(MAX_HELD_BYTES);
    let fitting = page
        .messages
        .iter()
        .take_while(|message| budget.admits(message));
    let fitting = fitting.count();
    if let Some(first_left) = page.messages.get(fitting).map(|message| message.id) {
        page.messages.truncate(fitting);
        page.unreadable.retain(|id| *id < first_left);
    }
}

/// The newest message of `topic`; if it is empty, the newest that retention removed; else the least
/// id. Every later message has a greater id.
///
/// From a smaller id than the newest removed message, a reader that reconnects would get a gap
/// although it missed nothing.
async fn newest(store: &dyn MessageStore, topic: &Topic) -> Result<MessageId, StoreError> {
    let limit = PageLimit::parse(1).unwrap_or(PageLimit::DEFAULT);
    let page = store
        .page(
            topic,
            PageRequest {
                anchor: Anchor::Newest,
                limit,
            },
        )
        .await?;
    Ok(page.last().or(page.pruned).unwrap_or(MessageId::MIN))
}
