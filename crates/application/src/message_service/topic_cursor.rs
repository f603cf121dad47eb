//! The cursor over a topic: one loop for replay and live.

use std::sync::Arc;

use posthorn_domain::{Message, MessageId, Topic};

use crate::ports::message_store::{
    Anchor, ByteBudget, MessageStore, PageLimit, PageRequest, StoreError, Subscription,
};

/// The messages of one read: few, because a cursor keeps only as many bytes as it may hold.
const PAGE: usize = 16;
/// The most bytes of messages that a cursor holds, unless one message has more.
const MAX_HELD_BYTES: usize = 16 * 1024;

/// The next event of a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CursorEvent {
    /// Retention removed messages after the cursor's position. The remaining messages come next.
    Gap {
        /// The oldest remaining message; `None` if there is none.
        first: Option<MessageId>,
    },
    /// The next messages, oldest first; at least one.
    Messages(Vec<Arc<Message>>),
}

/// A position in a topic.
///
/// It reads the store and waits for a wake-up at the end. Replay and live are the same loop, so that
/// no message is lost or repeated between them. A slow reader reads from the store at its own speed;
/// the cursor holds at most 16 KiB, or one longer message.
pub struct TopicCursor {
    store: Arc<dyn MessageStore>,
    topic: Topic,
    subscription: Box<dyn Subscription>,
    /// The greatest id returned so far.
    position: MessageId,
    /// True if the last page reached the end of the topic: the next step waits for a wake-up.
    at_end: bool,
    /// True if the gap at this position was reported, or there is none to report.
    gap_reported: bool,
    /// The messages of the page whose gap is reported first.
    pending: Option<Vec<Arc<Message>>>,
}

impl TopicCursor {
    pub(super) async fn start(
        store: Arc<dyn MessageStore>,
        topic: Topic,
        after: Option<MessageId>,
    ) -> Result<Self, StoreError> {
        // Subscribe first: a message accepted afterwards is on the page or causes a wake-up.
        let subscription = store.subscribe(&topic).await?;
        let position = match after {
            Some(id) => id,
            None => newest(&*store, &topic).await?,
        };
        // A cursor that starts now missed nothing, whatever was pruned before.
        let gap_reported = after.is_none();
        Ok(Self {
            store,
            topic,
            subscription,
            position,
            at_end: false,
            gap_reported,
            pending: None,
        })
    }

    /// The position: every message returned so far has this id or a smaller one.
    pub fn position(&self) -> MessageId {
        self.position
    }

    /// Waits for the next event. Safe to drop and call again: no event is lost or repeated.
    ///
    /// # Errors
    /// After an error the cursor keeps its position, and the call may be repeated.
    pub async fn next(&mut self) -> Result<CursorEvent, StoreError> {
        if let Some(messages) = self.pending.take() {
            return Ok(self.deliver(messages));
        }
        loop {
            if self.at_end {
                self.subscription.changed().await;
                self.at_end = false;
            }
            let request = PageRequest {
                anchor: Anchor::After(self.position),
                limit: PageLimit::parse(PAGE).unwrap_or(PageLimit::DEFAULT),
            };
            let mut page = self.store.page(&self.topic, request).await?;
            let all_fit = truncate_to_fit(&mut page.messages);
            self.at_end = all_fit && !page.has_newer;
            if page.truncated && !self.gap_reported {
                return Ok(self.report_gap(page.messages));
            }
            if !page.messages.is_empty() {
                return Ok(self.deliver(page.messages));
            }
        }
    }

    fn report_gap(&mut self, messages: Vec<Arc<Message>>) -> CursorEvent {
        // Once per position: in an empty topic the position does not advance after the gap.
        self.gap_reported = true;
        let first = messages.first().map(|message| message.id);
        self.pending = first.is_some().then_some(messages);
        CursorEvent::Gap { first }
    }

    fn deliver(&mut self, messages: Vec<Arc<Message>>) -> CursorEvent {
        if let Some(last) = messages.last() {
            self.position = last.id;
            self.gap_reported = false;
        }
        CursorEvent::Messages(messages)
    }
}

/// Truncates to the first messages that fit, at least one; returns true if all fit.
fn truncate_to_fit(messages: &mut Vec<Arc<Message>>) -> bool {
    let mut budget = ByteBudget::new(MAX_HELD_BYTES);
    let fitting = messages.iter().take_while(|message| budget.admits(message));
    let (fitting, all) = (fitting.count(), messages.len());
    messages.truncate(fitting);
    fitting == all
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
    let held = page.messages.last().map(|message| message.id);
    Ok(held.or(page.pruned).unwrap_or(MessageId::MIN))
}
