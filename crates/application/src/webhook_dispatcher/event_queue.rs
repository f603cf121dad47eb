//! The operations under way of one event loop, and its timer.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use crate::ports::clock::Clock;

type BoxedFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The most events of one turn, so that one loop does not keep the others from their turn.
const MAX_EVENTS: usize = 256;

/// Runs operations at once and returns their events.
///
/// An event loop that holds its state alone needs no lock: an operation owns what it uses, and its
/// event brings the outcome back.
pub(super) struct EventQueue<E> {
    operations: FuturesUnordered<BoxedFuture<E>>,
    timer: Option<Timer>,
}

struct Timer {
    /// By the monotonic clock.
    at: Duration,
    sleep: BoxedFuture<()>,
}

impl<E> EventQueue<E> {
    pub(super) fn new() -> Self {
        Self {
            operations: FuturesUnordered::new(),
            timer: None,
        }
    }

    /// Starts an operation.
    pub(super) fn start(&mut self, operation: impl Future<Output = E> + Send + 'static) {
        self.operations.push(Box::pin(operation));
    }

    /// Sets the only timer to `at`, by the monotonic clock; `None` removes it.
    pub(super) fn set_timer(&mut self, clock: &Arc<dyn Clock>, at: Option<Duration>) {
        if self.timer.as_ref().map(|timer| timer.at) == at {
            return;
        }
        self.timer = at.map(|at| {
            let clock = Arc::clone(clock);
            let wait = at.saturating_sub(clock.monotonic());
            let sleep = Box::pin(async move { clock.sleep(wait).await });
            Timer { at, sleep }
        });
    }

    /// Drops the operations under way.
    pub(super) fn clear(&mut self) {
        self.operations.clear();
    }

    /// Adds the events that are ready to `events`, at most [`MAX_EVENTS`].
    pub(super) fn poll(&mut self, context: &mut Context<'_>, events: &mut Vec<E>) {
        while events.len() < MAX_EVENTS
            && let Poll::Ready(Some(event)) = self.operations.poll_next_unpin(context)
        {
            events.push(event);
        }
        if events.len() >= MAX_EVENTS {
            // The rest is polled in the next turn.
            context.waker().wake_by_ref();
        }
    }

    /// True if the timer ended, which removes it.
    pub(super) fn poll_timer(&mut self, context: &mut Context<'_>) -> bool {
        let timer = self.timer.as_mut();
        let ended = timer.is_some_and(|timer| timer.sleep.as_mut().poll(context).is_ready());
        if ended {
            self.timer = None;
        }
        ended
    }

    /// Waits for events, or for the timer: then there may be none.
    pub(super) async fn next(&mut self) -> Vec<E> {
        poll_fn(|context| {
            let mut events = Vec::new();
            self.poll(context, &mut events);
            if self.poll_timer(context) || !events.is_empty() {
                Poll::Ready(events)
            } else {
                Poll::Pending
            }
        })
        .await
    }
}
