//! The wake-ups of waiting pulls: one notifier for all consumers of a process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use posthorn_domain::{ConsumerKey, Topic};

use crate::ports::message_store::Subscription;
use crate::wake_channel::WakeChannel;

type Channels = HashMap<Topic, HashMap<ConsumerKey, Arc<WakeChannel>>>;

/// Wakes the watchers of consumers. Stores use it to implement `ConsumerStore::watch`. It needs no
/// async runtime and holds one entry for each consumer that has a watcher.
#[derive(Debug, Default)]
pub struct ConsumerNotifier {
    channels: Mutex<Channels>,
}

/// A subscription to one consumer. However many changes happen between two calls of `changed`, the
/// watcher is woken once.
#[derive(Debug)]
pub struct ConsumerSubscription {
    key: ConsumerKey,
    notifier: Arc<ConsumerNotifier>,
    channel: Arc<WakeChannel>,
    /// The number of changes at the last return of `changed`.
    seen: u64,
}

impl ConsumerNotifier {
    /// Watches the consumer `key` from now on. The consumer need not exist.
    pub fn subscribe(self: &Arc<Self>, key: &ConsumerKey) -> ConsumerSubscription {
        let mut channels = self.lock();
        let of_topic = channels.entry(key.topic.clone()).or_default();
        let channel = Arc::clone(of_topic.entry(key.clone()).or_default());
        let seen = channel.enter();
        drop(channels);
        ConsumerSubscription {
            key: key.clone(),
            notifier: Arc::clone(self),
            seen,
            channel,
        }
    }

    /// Wakes the watchers of the consumer `key`.
    pub fn notify(&self, key: &ConsumerKey) {
        let channels = self.lock();
        let channel = channels.get(&key.topic).and_then(|all| all.get(key));
        let channel = channel.cloned();
        drop(channels);
        if let Some(channel) = channel {
            channel.notify();
        }
    }

    /// Wakes the watchers of every consumer of each of `topics`, which are names: messages were
    /// appended.
    pub fn notify_topics<'a>(&self, topics: impl IntoIterator<Item = &'a str>) {
        let channels = self.lock();
        if channels.is_empty() {
            return;
        }
        let of_topics = topics.into_iter().filter_map(|topic| channels.get(topic));
        let of_topics = of_topics.flat_map(HashMap::values);
        let changed: Vec<_> = of_topics.cloned().collect();
        drop(channels);
        for channel in changed {
            channel.notify();
        }
    }

    /// Wakes all watchers of all consumers.
    pub fn notify_all(&self) {
        let channels = self.lock();
        let all = channels.values().flat_map(HashMap::values);
        let all: Vec<_> = all.cloned().collect();
        drop(channels);
        for channel in all {
            channel.notify();
        }
    }

    /// Wakes all watchers for good: their `changed` never waits again.
    pub fn close(&self) {
        let channels = std::mem::take(&mut *self.lock());
        let all = channels.values().flat_map(HashMap::values);
        for channel in all {
            channel.close();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Channels> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Subscription for ConsumerSubscription {
    async fn changed(&mut self) {
        self.channel.changed(&mut self.seen).await;
    }
}

impl Drop for ConsumerSubscription {
    fn drop(&mut self) {
        let mut channels = self.notifier.lock();
        // Under the lock: of several watchers that leave at once, the last one removes the entry.
        let last = self.channel.leave();
        let Some(of_topic) = channels.get_mut(&self.key.topic) else {
            return;
        };
        let is_current = |channel: &Arc<WakeChannel>| Arc::ptr_eq(channel, &self.channel);
        if last && of_topic.get(&self.key).is_some_and(is_current) {
            of_topic.remove(&self.key);
        }
        if of_topic.is_empty() {
            channels.remove(&self.key.topic);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use posthorn_domain::{ConsumerKind, ConsumerName};

    use super::*;

    fn key(topic: &str, name: &str) -> ConsumerKey {
        ConsumerKey {
            topic: Topic::parse(topic).unwrap(),
            kind: ConsumerKind::Consumer,
            name: ConsumerName::parse(name).unwrap(),
        }
    }

    /// True if `changed` returns at once.
    fn has_changed(subscription: &mut ConsumerSubscription) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        let mut changed = subscription.changed();
        changed.as_mut().poll(&mut context).is_ready()
    }

    #[test]
    fn a_watcher_is_woken_once_for_any_number_of_changes() {
        let notifier = Arc::new(ConsumerNotifier::default());
        let mut watcher = notifier.subscribe(&key("a", "one"));
        let mut other = notifier.subscribe(&key("a", "two"));
        assert!(!has_changed(&mut watcher));
        notifier.notify(&key("a", "one"));
        notifier.notify(&key("a", "one"));
        assert!(has_changed(&mut watcher));
        assert!(!has_changed(&mut watcher));
        assert!(!has_changed(&mut other));
    }

    #[test]
    fn an_append_wakes_every_consumer_of_its_topic() {
        let notifier = Arc::new(ConsumerNotifier::default());
        let mut of_a = ["one", "two"].map(|name| notifier.subscribe(&key("a", name)));
        let mut of_b = notifier.subscribe(&key("b", "one"));
        notifier.notify_topics(["a", "c"]);
        assert!(of_a.iter_mut().all(has_changed));
        assert!(!has_changed(&mut of_b));
        notifier.notify_all();
        assert!(of_a.iter_mut().all(has_changed));
        assert!(has_changed(&mut of_b));
    }

    #[test]
    fn closing_wakes_for_good() {
        let notifier = Arc::new(ConsumerNotifier::default());
        let mut watcher = notifier.subscribe(&key("a", "one"));
        notifier.close();
        assert!(has_changed(&mut watcher) && has_changed(&mut watcher));
    }

    #[test]
    fn the_last_watcher_leaves_nothing() {
        let notifier = Arc::new(ConsumerNotifier::default());
        let (first, second) = (
            notifier.subscribe(&key("a", "one")),
            notifier.subscribe(&key("a", "one")),
        );
        drop(first);
        assert_eq!(notifier.lock().len(), 1);
        drop(second);
        assert!(notifier.lock().is_empty());
    }

    #[test]
    fn watchers_that_leave_at_once_leave_nothing() {
        let notifier = Arc::new(ConsumerNotifier::default());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        drop(notifier.subscribe(&key("a", "one")));
                        notifier.notify_topics(["a"]);
                    }
                });
            }
        });
        assert!(notifier.lock().is_empty());
    }
}
