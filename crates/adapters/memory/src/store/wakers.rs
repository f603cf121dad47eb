//! Waking those who follow a topic.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use posthorn_application::Subscription;
use posthorn_domain::Topic;
use tokio::sync::watch;

/// A channel for each topic that somebody follows.
#[derive(Default)]
pub(super) struct Wakers(Mutex<HashMap<Topic, watch::Sender<()>>>);

/// One follower of one topic.
pub(super) struct MemorySubscription {
    topic: Topic,
    wakers: Arc<Wakers>,
    /// `None` only while it is dropped.
    receiver: Option<watch::Receiver<()>>,
}

impl Wakers {
    /// Wakes everybody who follows `topic`.
    pub(super) fn wake(&self, topic: &Topic) {
        // The lock is not held while the followers, who may be many, are woken.
        let sender = self.lock().get(topic).cloned();
        if let Some(sender) = sender {
            sender.send_replace(());
        }
    }

    /// Wakes everybody for the last time.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Topic, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemorySubscription {
    pub(super) fn new(topic: Topic, wakers: Arc<Wakers>) -> Self {
        let receiver = wakers.lock().entry(topic.clone()).or_default().subscribe();
        Self {
            topic,
            wakers,
            receiver: Some(receiver),
        }
    }
}

#[async_trait]
impl Subscription for MemorySubscription {
    async fn changed(&mut self) {
        if let Some(receiver) = &mut self.receiver {
            // An error means that the store was closed; the follower finds out when it looks.
            let _ = receiver.changed().await;
        }
    }
}

impl Drop for MemorySubscription {
    fn drop(&mut self) {
        let mut wakers = self.wakers.lock();
        // Under the lock, so that of several that go at once the last one sees that it is.
        self.receiver = None;
        if wakers
            .get(&self.topic)
            .is_some_and(|sender| sender.receiver_count() == 0)
        {
            wakers.remove(&self.topic);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channel_of_a_topic_goes_with_its_last_follower() {
        let wakers = Arc::new(Wakers::default());
        let follow = || MemorySubscription::new(Topic::inbox(), Arc::clone(&wakers));
        let (first, second) = (follow(), follow());
        assert_eq!(wakers.lock().len(), 1);
        drop(first);
        assert_eq!(wakers.lock().len(), 1);
        drop(second);
        assert_eq!(wakers.lock().len(), 0);
    }

    #[test]
    fn followers_that_go_at_once_leave_nothing() {
        let wakers = Arc::new(Wakers::default());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        drop(MemorySubscription::new(Topic::inbox(), Arc::clone(&wakers)));
                        wakers.wake(&Topic::inbox());
                    }
                });
            }
        });
        assert_eq!(wakers.lock().len(), 0);
    }

    #[tokio::test]
    async fn clearing_ends_the_wait_of_a_follower() {
        let wakers = Arc::new(Wakers::default());
        let mut subscription = MemorySubscription::new(Topic::inbox(), Arc::clone(&wakers));
        wakers.clear();
        subscription.changed().await;
    }
}
