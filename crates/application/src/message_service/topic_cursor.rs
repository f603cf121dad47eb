//! Following a topic: one loop for replay and live.

use std::sync::Arc;

use posthorn_domain::{Message, MessageId, Topic};

use crate::ports::message_store::{
    Anchor, MessageStore, PageLimit, PageRequest, StoreError, Subscription,
};

/// How many messages a follower reads at once: few, as it keeps only as much of them as it may hold.
const PAGE: usize = 16;
/// The most bytes of messages that a follower holds, unless one message has more.
const MAX_HELD_BYTES: usize = 64 * 1024;

/// What a follower hears next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CursorEvent {
    /// Retention removed messages after the follower's place; `first` is the oldest still held,
    /// `None` when none is. The messages still held come next.
    Gap {
        /// The oldest message still held.
        first: Option<MessageId>,
    },
    /// The next messages, oldest first; at least one.
    Messages(Vec<Arc<Message>>),
}

/// A follower's place in a topic.
///
/// It is a cursor over the store plus a wake-up. Replay and live are the same loop, so nothing is
/// lost or repeated between them; a slow follower reads on from the store at its own speed and
/// holds 64 KiB at most, or one message that is longer.
pub struct TopicCursor {
    store: Arc<dyn MessageStore>,
    topic: Topic,
    subscription: Box<dyn Subscription>,
    /// The id that everything seen lies at or before.
    cursor: MessageId,
    /// Whether the last page ended at the end of the topic, so that a wake-up is worth waiting for.
    at_end: bool,
    /// Whether the gap before the cursor was told, or there is none to tell.
    gap_told: bool,
    /// Messages read together with a gap that is told first.
    pending: Option<Vec<Arc<Message>>>,
}

impl TopicCursor {
    pub(super) async fn start(
        store: Arc<dyn MessageStore>,
        topic: Topic,
        after: Option<MessageId>,
    ) -> Result<Self, StoreError> {
        // The wake-up comes first: what is accepted after it is either on the page or wakes us.
        let subscription = store.subscribe(&topic).await?;
        let cursor = match after {
            Some(id) => id,
            None => newest(&*store, &topic).await?,
        };
        // Who starts from now has missed nothing, whatever was pruned before.
        let gap_told = after.is_none();
        Ok(Self {
            store,
            topic,
            subscription,
            cursor,
            at_end: false,
            gap_told,
            pending: None,
        })
    }

    /// Where the follower is: everything it was handed lies at or before this id.
    pub fn cursor(&self) -> MessageId {
        self.cursor
    }

    /// The next event; waits until there is one. Safe to drop and call again: nothing is lost or
    /// repeated.
    ///
    /// # Errors
    /// After an error the follower keeps its place, and the call may be repeated.
    pub async fn next(&mut self) -> Result<CursorEvent, StoreError> {
        if let Some(messages) = self.pending.take() {
            return Ok(self.hand_out(messages));
        }
        loop {
            if self.at_end {
                self.subscription.changed().await;
                self.at_end = false;
            }
            let request = PageRequest {
                anchor: Anchor::After(self.cursor),
                limit: PageLimit::parse(PAGE).unwrap_or(PageLimit::DEFAULT),
            };
            let mut page = self.store.page(&self.topic, request).await?;
            let is_whole = keep_what_fits(&mut page.messages);
            self.at_end = is_whole && !page.has_newer;
            if page.truncated && !self.gap_told {
                return Ok(self.tell_gap(page.messages));
            }
            if !page.messages.is_empty() {
                return Ok(self.hand_out(page.messages));
            }
        }
    }

    fn tell_gap(&mut self, messages: Vec<Arc<Message>>) -> CursorEvent {
        // Told once for a place: when nothing is held, the place does not move with it.
        self.gap_told = true;
        let first = messages.first().map(|message| message.id);
        self.pending = first.is_some().then_some(messages);
        CursorEvent::Gap { first }
    }

    fn hand_out(&mut self, messages: Vec<Arc<Message>>) -> CursorEvent {
        if let Some(last) = messages.last() {
            self.cursor = last.id;
            self.gap_told = false;
        }
        CursorEvent::Messages(messages)
    }
}

/// Keeps the first messages, as many as may be held and at least one; says whether that is all.
fn keep_what_fits(messages: &mut Vec<Arc<Message>>) -> bool {
    let mut held = 0_usize;
    let fitting = messages.iter().take_while(|message| {
        held = held.saturating_add(bytes_of(message));
        held <= MAX_HELD_BYTES
    });
    let (fitting, all) = (fitting.count().max(1), messages.len());
    messages.truncate(fitting);
    fitting >= all
}

/// About how many bytes a message takes.
fn bytes_of(message: &Message) -> usize {
    let attributes = message.attributes.iter();
    let attributes: usize = attributes.map(|(key, value)| key.len() + value.len()).sum();
    message.content.as_str().len() + attributes
}

/// The newest message of `topic`, or when it holds none the newest that retention removed, or the
/// least id when there was none either.
///
/// From a smaller id than what retention removed, a follower that comes back would be told of a gap
/// although it missed nothing. Every message that comes after this look has a greater id.
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
