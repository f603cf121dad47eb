//! The tails of all followed topics of a process, and the loop that runs them.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_listener::Event;
use futures_util::future::{AbortHandle, AbortRegistration, Abortable, select};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use posthorn_domain::Topic;

use super::topic_tail::{Encode, TailSource, TopicTail};
use crate::ports::clock::Clock;
use crate::ports::message_store::MessageStore;

/// The tails of all topics that somebody follows. A topic that nobody follows has none.
pub(super) struct TailRegistry<F> {
    pub(super) source: TailSource<F>,
    state: Mutex<RegistryState<F>>,
    /// Signals a new tail.
    added: Event,
}

struct RegistryState<F> {
    followed: HashMap<Topic, FollowedTopic<F>>,
    /// The tails that [`TailRegistry::run`] does not run yet.
    new: Vec<NewTail<F>>,
}

struct FollowedTopic<F> {
    tail: Arc<TopicTail<F>>,
    stop: AbortHandle,
}

struct NewTail<F> {
    topic: Topic,
    tail: Arc<TopicTail<F>>,
    stopped: AbortRegistration,
}

/// The membership of one follower in a tail. With the last one, the tail is dropped.
pub(super) struct TailMembership<F> {
    registry: Arc<TailRegistry<F>>,
    topic: Topic,
    pub(super) tail: Arc<TopicTail<F>>,
    /// The number of changes of the tail at the last return of [`TailMembership::changed`].
    seen: u64,
}

impl<F: AsRef<[u8]> + Clone> TailRegistry<F> {
    pub(super) fn new(
        store: Arc<dyn MessageStore>,
        clock: Arc<dyn Clock>,
        encode: Encode<F>,
    ) -> Self {
        Self {
            source: TailSource {
                store,
                clock,
                encode,
            },
            state: Mutex::new(RegistryState {
                followed: HashMap::new(),
                new: Vec::new(),
            }),
            added: Event::new(),
        }
    }

    /// Joins the tail of `topic`, which the first follower starts.
    pub(super) fn join(self: &Arc<Self>, topic: &Topic) -> TailMembership<F> {
        let mut state = self.lock();
        let tail = match state.followed.get(topic) {
            Some(followed) => Arc::clone(&followed.tail),
            None => state.add(topic),
        };
        let seen = tail.channel.enter();
        drop(state);
        self.added.notify(usize::MAX);
        TailMembership {
            registry: Arc::clone(self),
            topic: topic.clone(),
            tail,
            seen,
        }
    }

    /// Runs all tails until it is dropped.
    pub(super) async fn run(&self) {
        let mut running = FuturesUnordered::new();
        loop {
            // Listen before the look: a tail that is added after the look wakes the listener.
            let added = self.added.listen();
            let new = std::mem::take(&mut self.lock().new);
            running.extend(new.into_iter().map(|new| {
                let NewTail {
                    topic,
                    tail,
                    stopped,
                } = new;
                let run = async move {
                    let run = AssertUnwindSafe(tail.run(&topic, &self.source));
                    // A store that panics costs the followers this tail, and nobody else anything.
                    if run.catch_unwind().await.is_err() {
                        self.end(&topic, &tail);
                    }
                };
                Abortable::new(run, stopped)
            }));
            if running.is_empty() {
                added.await;
            } else {
                // A tail ends when it is stopped.
                select(added, running.next()).await;
            }
        }
    }
}

impl<F> TailRegistry<F> {
    /// Ends a tail: its followers read the store, and join a new one.
    fn end(&self, topic: &Topic, tail: &Arc<TopicTail<F>>) {
        let mut state = self.lock();
        if state.is_current(topic, tail) {
            state.followed.remove(topic);
        }
        drop(state);
        tail.channel.close();
    }

    fn lock(&self) -> MutexGuard<'_, RegistryState<F>> {
        // No code under the lock panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F> RegistryState<F> {
    fn is_current(&self, topic: &Topic, tail: &Arc<TopicTail<F>>) -> bool {
        let current = self.followed.get(topic);
        current.is_some_and(|current| Arc::ptr_eq(&current.tail, tail))
    }

    fn add(&mut self, topic: &Topic) -> Arc<TopicTail<F>> {
        let tail = Arc::new(TopicTail::default());
        let (stop, stopped) = AbortHandle::new_pair();
        self.new.push(NewTail {
            topic: topic.clone(),
            tail: Arc::clone(&tail),
            stopped,
        });
        let followed = FollowedTopic {
            tail: Arc::clone(&tail),
            stop,
        };
        self.followed.insert(topic.clone(), followed);
        tail
    }
}

impl<F: AsRef<[u8]> + Clone> TailMembership<F> {
    /// True if the tail will not change any more.
    pub(super) fn has_ended(&self) -> bool {
        self.tail.channel.is_closed()
    }

    /// Joins a new tail if the old one has ended.
    pub(super) fn renew(&mut self) {
        if self.has_ended() {
            *self = self.registry.join(&self.topic);
        }
    }

    /// Returns once the tail has changed since the last return. Safe to drop.
    pub(super) async fn changed(&mut self) {
        self.tail.channel.changed(&mut self.seen).await;
    }
}

impl<F> Drop for TailMembership<F> {
    fn drop(&mut self) {
        let mut state = self.registry.lock();
        // Under the lock: of several followers that leave at once, one is the last.
        if self.tail.channel.leave()
            && state.is_current(&self.topic, &self.tail)
            && let Some(followed) = state.followed.remove(&self.topic)
        {
            followed.stop.abort();
        }
    }
}
