//! Who waits for which topic in this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use posthorn_application::Subscription;
use posthorn_domain::Topic;
use tokio::sync::watch;

/// One entry for each topic that is followed, however many follow it.
#[derive(Default)]
pub(super) struct Followers {
    topics: Mutex<HashMap<Box<str>, watch::Sender<()>>>,
}

/// A place among the followers of a topic.
pub(super) struct Follower {
    topic: Topic,
    changes: watch::Receiver<()>,
    followers: Arc<Followers>,
}

impl Followers {
    /// Follows `topic` from now on.
    pub(super) fn follow(self: &Arc<Self>, topic: &Topic) -> Follower {
        let mut topics = self.lock();
        let sender = topics
            .entry(Box::from(topic.as_str()))
            .or_insert_with(|| watch::Sender::new(()));
        let changes = sender.subscribe();
        Follower {
            topic: topic.clone(),
            changes,
            followers: Arc::clone(self),
        }
    }

    /// Wakes those who follow the topic called `name`.
    pub(super) fn wake(&self, name: &str) {
        if let Some(sender) = self.lock().get(name) {
            sender.send_replace(());
        }
    }

    /// Wakes everyone.
    pub(super) fn wake_all(&self) {
        self.lock().values().for_each(|sender| {
            sender.send_replace(());
        });
    }

    /// The topics that are followed.
    pub(super) fn topics(&self) -> Vec<Topic> {
        self.lock()
            .keys()
            .filter_map(|name| Topic::parse(name).ok())
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, watch::Sender<()>>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Subscription for Follower {
    async fn changed(&mut self) {
        // The sender lives as long as there is a follower, so there is no error to be had.
        let _ = self.changes.changed().await;
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut topics = self.followers.lock();
        let last = topics
            .get(self.topic.as_str())
            .is_some_and(|sender| sender.receiver_count() <= 1);
        if last {
            topics.remove(self.topic.as_str());
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn each_follower_of_a_topic_is_woken_once_for_any_number_of_changes() {
        let followers = Arc::new(Followers::default());
        let [a, b] = ["a", "b"].map(|name| Topic::parse(name).unwrap());
        let (mut first, mut second, mut other) = (
            followers.follow(&a),
            followers.follow(&a),
            followers.follow(&b),
        );
        followers.wake("a");
        followers.wake("a");
        followers.wake("unknown");
        for follower in [&mut first, &mut second] {
            assert!(follower.changed().now_or_never().is_some());
            assert!(follower.changed().now_or_never().is_none());
        }
        assert!(other.changed().now_or_never().is_none());
        followers.wake_all();
        assert!(other.changed().now_or_never().is_some());
    }

    #[test]
    fn nothing_is_left_of_a_topic_that_nobody_follows() {
        let followers = Arc::new(Followers::default());
        let (first, second) = (
            followers.follow(&Topic::inbox()),
            followers.follow(&Topic::inbox()),
        );
        drop(first);
        assert_eq!(followers.topics(), [Topic::inbox()]);
        drop(second);
        assert!(followers.lock().is_empty());
    }
}
