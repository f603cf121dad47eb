//! Pulls that wait for a message. Those of one consumer are in one queue. One of them, the leader, holds the
//! subscription and the only timer; the others cost nothing until they get a signal. A change of
//! the consumer gives one turn to the first of the queue. A turn that finds more than it takes gives
//! the next turn to the next one, so that a message wakes as many pulls as it can serve.

mod queue;

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use posthorn_domain::ConsumerKey;

use crate::ports::clock::Clock;
use crate::ports::consumer_store::{ConsumerError, ConsumerStore};
use crate::ports::message_store::Subscription;
use queue::{Leadership, Signal, WaitQueue};

/// The queues of all consumers that a pull waits for.
#[derive(Default)]
pub(super) struct WaitQueues(Mutex<WaitState>);

#[derive(Default)]
struct WaitState {
    queues: HashMap<ConsumerKey, WaitQueue>,
    stopped: bool,
}

/// A pull in the queue. Dropping it leaves the queue and passes an unused turn on.
pub(super) struct Waiter<'a> {
    queues: &'a WaitQueues,
    key: &'a ConsumerKey,
    ticket: u64,
}

/// What a waiting pull does next.
pub(super) enum Turn {
    /// Pull: something may be due.
    Pull,
    /// Return without a message: the wait is over.
    End,
}

/// The leadership of a queue. Dropping it lets another waiter lead.
struct Lead<'a> {
    queues: &'a WaitQueues,
    key: &'a ConsumerKey,
    ticket: u64,
    watcher: Option<Box<dyn Subscription>>,
}

enum Event {
    Signal(Signal),
    Stopped,
    /// The consumer may have changed, or an entry is due.
    Changed,
    Deadline,
}

impl WaitQueues {
    /// Whether a pull waits for the consumer.
    pub(super) fn is_waited_for(&self, key: &ConsumerKey) -> bool {
        self.lock().queues.contains_key(key)
    }

    /// Joins the end of the queue; `None` after [`WaitQueues::stop`].
    pub(super) fn enter<'a>(&'a self, key: &'a ConsumerKey) -> Option<Waiter<'a>> {
        let mut state = self.lock();
        if state.stopped {
            return None;
        }
        let ticket = state.queues.entry(key.clone()).or_default().enter();
        Some(Waiter {
            queues: self,
            key,
            ticket,
        })
    }

    /// Notes that an entry of the consumer is due at `due`, by the monotonic clock.
    pub(super) fn expect_due(&self, key: &ConsumerKey, due: Duration) {
        if let Some(queue) = self.lock().queues.get_mut(key) {
            queue.expect_due(due);
        }
    }

    /// Ends all waits, and those that come.
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        let wakers: Vec<_> = state
            .queues
            .values_mut()
            .flat_map(WaitQueue::wakers)
            .collect();
        drop(state);
        for waker in wakers {
            waker.wake();
        }
    }

    fn with_queue<T>(
        &self,
        key: &ConsumerKey,
        operation: impl FnOnce(&mut WaitQueue) -> T,
    ) -> Option<T> {
        self.lock().queues.get_mut(key).map(operation)
    }

    fn lock(&self) -> MutexGuard<'_, WaitState> {
        // No code under the lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter<'_> {
    /// Waits for the turn of this pull, at most until `deadline` is ready.
    pub(super) async fn next_turn(
        &mut self,
        store: &dyn ConsumerStore,
        clock: &dyn Clock,
        deadline: &mut Pin<Box<dyn Future<Output = ()> + Send + '_>>,
    ) -> Result<Turn, ConsumerError> {
        let mut lead = None;
        loop {
            lead = lead.or_else(|| self.try_lead());
            if let Some(lead) = &mut lead
                && lead.watcher.is_none()
            {
                lead.watcher = Some(store.watch(self.key).await?);
                // A change before the watch wakes nobody: only a pull finds it.
                self.take_turn();
                return Ok(Turn::Pull);
            }
            match self.next_event(lead.as_mut(), clock, deadline).await {
                Event::Signal(Signal::Turn) => return Ok(Turn::Pull),
                Event::Signal(Signal::Reconsider) => {}
                Event::Stopped | Event::Deadline => return Ok(Turn::End),
                Event::Changed => {
                    // The first in the queue gets the turn; often that is the leader itself.
                    let now = clock.monotonic();
                    self.queues.with_queue(self.key, |queue| {
                        queue.forget_due(now);
                        queue.give_turn();
                    });
                }
            }
        }
    }

    /// The turn found nothing: waits on in the old place.
    pub(super) fn wait_on(&mut self) {
        let ticket = self.ticket;
        self.queues
            .with_queue(self.key, |queue| queue.end_turn(ticket));
    }

    /// The turn found messages; with `more` the next one in the queue gets a turn.
    pub(super) fn leave(self, more: bool) {
        if !more {
            let ticket = self.ticket;
            self.queues
                .with_queue(self.key, |queue| queue.end_turn(ticket));
        }
        // Else the turn is unused for those behind: the drop passes it on.
    }

    fn take_turn(&self) {
        let ticket = self.ticket;
        self.queues
            .with_queue(self.key, |queue| queue.take_turn(ticket));
    }

    fn try_lead(&self) -> Option<Lead<'_>> {
        let ticket = self.ticket;
        let leadership = self
            .queues
            .with_queue(self.key, |queue| queue.try_lead(ticket))?;
        match leadership {
            Leadership::Occupied => None,
            Leadership::Granted(watcher) => Some(Lead {
                queues: self.queues,
                key: self.key,
                ticket,
                watcher,
            }),
        }
    }

    async fn next_event(
        &self,
        lead: Option<&mut Lead<'_>>,
        clock: &dyn Clock,
        deadline: &mut Pin<Box<dyn Future<Output = ()> + Send + '_>>,
    ) -> Event {
        let next_due = match lead {
            Some(_) => self
                .queues
                .with_queue(self.key, |queue| queue.next_due())
                .flatten(),
            None => None,
        };
        let mut due = next_due.map(|due| clock.sleep(due.saturating_sub(clock.monotonic())));
        let watcher = lead.and_then(|lead| lead.watcher.as_mut());
        let mut changed = watcher.map(|watcher| watcher.changed());
        poll_fn(move |context| {
            if let Some(event) = self.poll_signal(context) {
                return Poll::Ready(event);
            }
            let is_changed = is_ready(changed.as_mut(), context);
            if is_changed || is_ready(due.as_mut(), context) {
                return Poll::Ready(Event::Changed);
            }
            deadline.as_mut().poll(context).map(|()| Event::Deadline)
        })
        .await
    }

    /// Takes the signal of this waiter; without one, the next signal wakes `context`.
    fn poll_signal(&self, context: &Context<'_>) -> Option<Event> {
        let mut state = self.queues.lock();
        if state.stopped {
            return Some(Event::Stopped);
        }
        let queue = state.queues.get_mut(self.key)?;
        let signal = queue.take_signal(self.ticket, context.waker());
        signal.map(Event::Signal)
    }
}

fn is_ready(
    future: Option<&mut Pin<Box<dyn Future<Output = ()> + Send + '_>>>,
    context: &mut Context<'_>,
) -> bool {
    future.is_some_and(|future| future.as_mut().poll(context).is_ready())
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut state = self.queues.lock();
        let Some(queue) = state.queues.get_mut(self.key) else {
            return;
        };
        queue.leave(self.ticket);
        if queue.is_empty() {
            // Its subscription goes too, after the lock.
            let queue = state.queues.remove(self.key);
            drop(state);
            drop(queue);
        }
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let (ticket, watcher) = (self.ticket, self.watcher.take());
        self.queues
            .with_queue(self.key, |queue| queue.end_lead(ticket, watcher));
    }
}
