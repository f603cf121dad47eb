//! The tail of one topic, and the loop that reads the topic for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};
use posthorn_domain::{Backoff, Message, MessageId, Topic};

use super::frame_ring::{FrameRing, MAX_AGE, RingRead};
use crate::message_service::topic_cursor::{CursorEvent, TopicCursor};
use crate::ports::clock::Clock;
use crate::ports::message_store::{MessageStore, StoreError, Subscription};
use crate::wake_channel::WakeChannel;

/// The waits after a failure of the store.
const RETRY: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

/// Encodes messages, at least one, as one frame.
pub(super) type Encode<F> = fn(&[Arc<Message>]) -> F;

/// The newest messages of a topic as frames.
#[derive(Debug)]
pub(super) struct TopicTail<F> {
    /// Signals each change of the ring.
    pub(super) channel: WakeChannel,
    /// `None` until the end of the topic is known.
    ring: Mutex<Option<FrameRing<F>>>,
}

/// What the loop of a tail reads with.
pub(super) struct TailSource<F> {
    pub(super) store: Arc<dyn MessageStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) encode: Encode<F>,
}

/// The only reader of a tail.
struct TailReader {
    subscription: Box<dyn Subscription>,
    cursor: TopicCursor,
}

/// The outcome of one step of a reader.
enum Step {
    Done,
    /// Retention removed messages that the reader has not read, or the next one is damaged.
    Gap,
}

impl<F> Default for TopicTail<F> {
    fn default() -> Self {
        Self {
            channel: WakeChannel::default(),
            ring: Mutex::default(),
        }
    }
}

impl<F: AsRef<[u8]> + Clone> TopicTail<F> {
    /// The position up to which all messages of the topic were visible when the tail read them;
    /// `None` until that is known.
    pub(super) fn end(&self) -> Option<MessageId> {
        self.lock().as_ref().map(FrameRing::end)
    }

    /// The frame right after `position`.
    pub(super) fn after(&self, position: MessageId) -> RingRead<F> {
        let ring = self.lock();
        ring.as_ref()
            .map_or(RingRead::Behind, |ring| ring.after(position))
    }

    /// Reads each new message of `topic` once, until it is dropped. A failure of the store is waited
    /// out: the followers at the end have got everything until then.
    pub(super) async fn run(&self, topic: &Topic, source: &TailSource<F>) {
        let mut reader = None;
        let mut backoff = RETRY;
        let mut has_logged_error = false;
        loop {
            let step = match &mut reader {
                None => self
                    .start(topic, source)
                    .await
                    .map(|new| reader = Some(new)),
                Some(current) => match self.step(current, source).await {
                    // The followers read the store, which reports the gap or the damage to each.
                    Ok(Step::Gap) => {
                        reader = None;
                        Ok(())
                    }
                    Ok(Step::Done) => Ok(()),
                    Err(error) => Err(error),
                },
            };
            match step {
                Ok(()) => {
                    backoff.reset();
                    has_logged_error = false;
                }
                Err(error) => {
                    self.log(topic, &error, &mut has_logged_error);
                    source.clock.sleep(backoff.next_wait()).await;
                }
            }
        }
    }

    /// Begins at the end of the topic.
    async fn start(&self, topic: &Topic, source: &TailSource<F>) -> Result<TailReader, StoreError> {
        // Subscribe first: a message accepted afterwards is read or causes a wake-up.
        let subscription = source.store.subscribe(topic).await?;
        let store = Arc::clone(&source.store);
        let cursor = TopicCursor::start(store, topic.clone(), None).await?;
        *self.lock() = Some(FrameRing::new(cursor.position()));
        self.channel.notify();
        Ok(TailReader {
            subscription,
            cursor,
        })
    }

    /// Adds the next messages; at the end of the topic, waits for a change.
    async fn step(
        &self,
        reader: &mut TailReader,
        source: &TailSource<F>,
    ) -> Result<Step, StoreError> {
        match reader.cursor.read().await? {
            Some(CursorEvent::Messages(messages)) => {
                let frame = (source.encode)(&messages);
                if let Some(ring) = &mut *self.lock() {
                    ring.push(reader.cursor.position(), frame, source.clock.monotonic());
                }
                self.channel.notify();
            }
            Some(CursorEvent::Gap { .. } | CursorEvent::Unreadable { .. }) => return Ok(Step::Gap),
            None => self.wait(&mut *reader.subscription, source).await,
        }
        Ok(Step::Done)
    }

    /// Waits for a change of the topic. Without one, the frames are dropped in time.
    async fn wait(&self, subscription: &mut dyn Subscription, source: &TailSource<F>) {
        if self.lock().as_ref().is_some_and(|ring| !ring.is_empty()) {
            let too_old = source.clock.sleep(MAX_AGE);
            if let Either::Left(_) = select(subscription.changed(), too_old).await {
                return;
            }
            if let Some(ring) = &mut *self.lock() {
                ring.clear();
            }
        }
        subscription.changed().await;
    }

    /// Logs a failure. One that does not pass by itself is logged once until it has passed.
    fn log(&self, topic: &Topic, error: &StoreError, has_logged_error: &mut bool) {
        if error.is_transient() || *has_logged_error {
            tracing::debug!(%error, %topic, "the streams of a topic wait for the store");
        } else {
            *has_logged_error = true;
            let after = self.end().unwrap_or(MessageId::MIN);
            tracing::error!(%error, %topic, %after, "the streams of a topic cannot read the store");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<FrameRing<F>>> {
        // No code under the lock panics.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
