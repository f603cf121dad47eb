//! The wake-ups of the stores: one notifier for all topics of a process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use posthorn_domain::Topic;

use crate::ports::message_store::Subscription;
use crate::wake_channel::WakeChannel;

/// Wakes the subscribers of topics. It needs no async runtime and holds one entry for each topic
/// that has a subscriber.
#[derive(Debug, Default)]
pub struct TopicNotifier {
    channels: Mutex<HashMap<Topic, Arc<WakeChannel>>>,
}

/// A subscription to one topic of a [`TopicNotifier`]. However many changes happen between two
/// calls of `changed`, the subscriber is woken once.
#[derive(Debug)]
pub struct TopicSubscription {
    topic: Topic,
    notifier: Arc<TopicNotifier>,
    channel: Arc<WakeChannel>,
    /// The number of changes at the last return of `changed`.
    seen: u64,
}

impl TopicNotifier {
    /// Subscribes to the changes of `topic` from now on.
    pub fn subscribe(self: &Arc<Self>, topic: &Topic) -> TopicSubscription {
        let mut channels = self.lock();
        let channel = Arc::clone(channels.entry(topic.clone()).or_default());
        let seen = channel.enter();
        drop(channels);
        TopicSubscription {
            topic: topic.clone(),
            notifier: Arc::clone(self),
            seen,
            channel,
        }
    }

    /// Wakes the subscribers of each of `topics`, which are names.
    pub fn notify<'a>(&self, topics: impl IntoIterator<Item = &'a str>) {
        let channels = self.lock();
        if channels.is_empty() {
            return;
        }
        let topics = topics.into_iter();
        let changed: Vec<_> = topics
            .filter_map(|topic| channels.get(topic).cloned())
            .collect();
        // Not under the lock: one topic may have thousands of subscribers to wake.
        drop(channels);
        for channel in changed {
            channel.notify();
        }
    }

    /// Wakes all subscribers of all topics.
    pub fn notify_all(&self) {
        let channels: Vec<_> = self.lock().values().cloned().collect();
        for channel in channels {
            channel.notify();
        }
    }

    /// Wakes all subscribers for good: their `changed` never waits again.
    pub fn close(&self) {
        let channels = std::mem::take(&mut *self.lock());
        for channel in channels.values() {
            channel.close();
        }
    }

    /// The topics that have a subscriber.
    pub fn topics(&self) -> Vec<Topic> {
        self.lock().keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Topic, Arc<WakeChannel>>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Subscription for TopicSubscription {
    async fn changed(&mut self) {
        self.channel.changed(&mut self.seen).await;
    }
}

impl Drop for TopicSubscription {
    fn drop(&mut self) {
        let mut channels = self.notifier.lock();
        // Under the lock: of several subscribers that leave at once, the last one removes the entry.
        let last = self.channel.leave();
        let is_current = |channel: &Arc<WakeChannel>| Arc::ptr_eq(channel, &self.channel);
        if last && channels.get(&self.topic).is_some_and(is_current) {
            channels.remove(&self.topic);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    /// True if `changed` returns at once.
    fn has_changed(subscription: &mut TopicSubscription) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        subscription
            .changed()
            .as_mut()
            .poll(&mut context)
            .is_ready()
    }

    #[test]
    fn each_subscriber_of_a_topic_is_woken_once_for_any_number_of_changes() {
        let notifier = Arc::new(TopicNotifier::default());
        let [a, b] = ["a", "b"].map(|name| Topic::parse(name).unwrap());
        let [mut first, mut second] = [notifier.subscribe(&a), notifier.subscribe(&a)];
        let mut other = notifier.subscribe(&b);
        notifier.notify(["a", "a", "unknown"]);
        notifier.notify(["a"]);
        for subscription in [&mut first, &mut second] {
            assert!(has_changed(subscription));
            assert!(!has_changed(subscription));
        }
        assert!(!has_changed(&mut other));
        notifier.notify_all();
        assert!(has_changed(&mut other));
    }

    #[test]
    fn closing_ends_every_wait() {
        let notifier = Arc::new(TopicNotifier::default());
        let mut subscription = notifier.subscribe(&Topic::inbox());
        notifier.close();
        assert!(has_changed(&mut subscription));
        assert!(has_changed(&mut subscription));
    }

    #[test]
    fn the_entry_of_a_topic_is_removed_with_its_last_subscriber() {
        let notifier = Arc::new(TopicNotifier::default());
        let [first, second] = [(); 2].map(|()| notifier.subscribe(&Topic::inbox()));
        drop(first);
        assert_eq!(notifier.topics(), [Topic::inbox()]);
        drop(second);
        assert!(notifier.topics().is_empty());
    }

    #[test]
    fn subscribers_that_leave_at_once_leave_no_entry() {
        let notifier = Arc::new(TopicNotifier::default());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        drop(notifier.subscribe(&Topic::inbox()));
                        notifier.notify([Topic::INBOX]);
                    }
                });
            }
        });
        assert!(notifier.topics().is_empty());
    }
}
