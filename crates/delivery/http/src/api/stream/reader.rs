//! The reader of one stream: turns the events of a topic into chunks.

use std::time::Duration;

use actix_web::web::{self, Bytes};
use posthorn_application::{FollowEvent, Phase, StoreError, TopicFollower};
use posthorn_domain::{Backoff, Topic};
use tokio::sync::watch;

use super::log::{StreamEndReason, StreamLog};
use crate::api::grant_watch::GrantWatch;
use crate::state::AppState;
use crate::state::concurrency_limit::Permit;
use crate::state::message_frame::MessageFrame;
use crate::wire::stream_frames;

/// The interval of the comments that keep proxies from closing an idle stream.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// The first wait after a failure of the store, and the longest.
const BACKOFF_BASE: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// An open stream, counted until it is dropped.
pub(super) struct OpenStream {
    state: web::Data<AppState>,
    _permit: Permit,
}

/// The state of a stream between two chunks.
pub(super) struct StreamReader {
    topic: Topic,
    follower: TopicFollower<MessageFrame>,
    /// Becomes `true` when streams have to end.
    stop: watch::Receiver<bool>,
    backoff: Backoff,
    /// True if a permanent error of the store is in the log.
    has_logged_error: bool,
    has_started: bool,
    has_ended: bool,
    open: OpenStream,
    grant: GrantWatch,
    log: StreamLog,
}

impl StreamReader {
    pub(super) fn new(
        topic: Topic,
        follower: TopicFollower<MessageFrame>,
        open: OpenStream,
        grant: GrantWatch,
        log: StreamLog,
    ) -> Self {
        Self {
            topic,
            follower,
            stop: open.state.services.stop_streams.clone(),
            backoff: Backoff::new(BACKOFF_BASE, BACKOFF_MAX),
            has_logged_error: false,
            has_started: false,
            has_ended: false,
            open,
            grant,
            log,
        }
    }

    /// True if the last chunk was the final one.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// The next chunk; waits until there is one.
    pub(super) async fn next_chunk(&mut self) -> Bytes {
        // At once, so that the client can resume even before the first message.
        if !self.has_started {
            self.has_started = true;
            return stream_frames::start(self.follower.position());
        }
        // Before the next messages are sent: they may be many.
        if *self.stop.borrow() {
            return self.end(StreamEndReason::Shutdown);
        }
        if !self.grant.is_valid(&self.open.state).await {
            return self.end(StreamEndReason::Token);
        }
        let event = tokio::select! {
            // An error means that the server has stopped, which ends the stream as well.
            _ = self.stop.wait_for(|stop| *stop) => Err(StreamEndReason::Shutdown),
            event = self.follower.next() => Ok(event),
            is_valid = self.grant.wait(HEARTBEAT, &self.open.state) => {
                if is_valid {
                    return stream_frames::heartbeat();
                }
                Err(StreamEndReason::Token)
            }
        };
        let event = match event {
            Ok(event) => event,
            Err(reason) => return self.end(reason),
        };
        let chunk = match event {
            Ok(FollowEvent::Gap { first }) => stream_frames::gap(first),
            Ok(FollowEvent::Unreadable { id }) => stream_frames::unreadable(id),
            Ok(FollowEvent::Messages(messages)) => self.counted(stream_frames::messages(&messages)),
            Ok(FollowEvent::Frame(frame)) => self.counted(frame),
            Err(error) => return self.back_off(&error).await,
        };
        self.backoff.reset();
        chunk
    }

    fn counted(&mut self, frame: MessageFrame) -> Bytes {
        self.log.count(&frame);
        frame.bytes
    }

    fn end(&mut self, reason: StreamEndReason) -> Bytes {
        self.has_ended = true;
        self.log.end(reason);
        stream_frames::bye()
    }

    /// Waits before the next attempt to read; the stream stays open and keeps its position.
    async fn back_off(&mut self, error: &StoreError) -> Bytes {
        if error.is_transient() || self.has_logged_error {
            tracing::debug!(%error, "a stream waits for the store");
        } else {
            // Only once: every attempt will fail like this one.
            self.has_logged_error = true;
            let (topic, after) = (&self.topic, self.follower.position());
            tracing::error!(%error, %topic, %after, "a stream cannot read the store");
        }
        let wait = self.backoff.next_wait();
        let is_valid = tokio::select! {
            _ = self.stop.wait_for(|stop| *stop) => true,
            is_valid = self.grant.wait(wait, &self.open.state) => is_valid,
        };
        if is_valid {
            stream_frames::heartbeat()
        } else {
            self.end(StreamEndReason::Token)
        }
    }
}

impl OpenStream {
    /// Counts a stream, unless the maximum are open or the server stops.
    pub(super) fn acquire(state: &web::Data<AppState>) -> Option<Self> {
        if state.services.lifecycle.phase() > Phase::Ready {
            return None;
        }
        let permit = state.streams.acquire(state.settings.max_streams)?;
        state.services.request_metrics.stream_changed(true);
        Some(Self {
            state: state.clone(),
            _permit: permit,
        })
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.state.services.request_metrics.stream_changed(false);
    }
}
