//! Waking those who follow a topic.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use posthorn_application::Subscription;
use posthorn_domain::Topic;
use tokio::sync::watch;

/// A channel for each topic that somebody follows.
#[derive(Default)]
pub(crate) struct Wakers(Mutex<HashMap<Topic, watch::Sender<()>>>);

/// One follower of one topic.
pub(crate) struct FileSubscription {
    topic: Topic,
    wakers: Arc<Wakers>,
    /// `None` only while it is dropped.
    receiver: Option<watch::Receiver<()>>,
}

impl Wakers {
    /// Wakes everybody who follows one of `topics`.
    pub(crate) fn wake<'a>(&self, topics: impl Iterator<Item = &'a Topic>) {
        let senders: Vec<_> = {
            let followed = self.lock();
            if followed.is_empty() {
                return;
            }
            topics
                .filter_map(|topic| followed.get(topic).cloned())
                .collect()
        };
        // The lock is not held while the followers, who may be many, are woken.
        for sender in senders {
            sender.send_replace(());
        }
    }

    /// Wakes everybody for the last time.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Topic, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FileSubscription {
    pub(crate) fn new(topic: Topic, wakers: Arc<Wakers>) -> Self {
        let receiver = wakers.lock().entry(topic.clone()).or_default().subscribe();
        Self {
            topic,
            wakers,
            receiver: Some(receiver),
        }
    }
}

#[async_trait]
impl Subscription for FileSubscription {
    async fn changed(&mut self) {
        if let Some(receiver) = &mut self.receiver {
            // An error means that the store was closed; the follower finds out when it looks.
            let _ = receiver.changed().await;
        }
    }
}

impl Drop for FileSubscription {
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
        let follow = || FileSubscription::new(Topic::inbox(), Arc::clone(&wakers));
        let (first, second) = (follow(), follow());
        drop(first);
        assert_eq!(wakers.lock().len(), 1);
        drop(second);
        assert_eq!(wakers.lock().len(), 0);
    }
}
