//! The index of topics with consumers.

use posthorn_application::{ConsumerError, StoreError};
use posthorn_domain::{Topic, TopicRanges};
use redis::{Cmd, Value};

use crate::keys;
use crate::store::RedisStore;

impl RedisStore {
    /// Adds `topic` to the indexes, unless there are too many topics; returns true if they have it then.
    pub(super) async fn admit_consumers(&self, topic: &Topic) -> Result<bool, ConsumerError> {
        let admitted = self.index.admit(&self.sessions, topic, self.max_topics);
        if !admitted.await.map_err(StoreError::from)? {
            return Ok(false);
        }
        let added = self.consumer_topics.add(&self.sessions, topic).await;
        added.map_err(StoreError::from)?;
        Ok(true)
    }

    /// Adds `topic` to the indexes.
    pub(super) async fn index_consumers(&self, topic: &Topic) -> Result<(), ConsumerError> {
        for index in [&self.index, &self.consumer_topics] {
            let added = index.add(&self.sessions, topic).await;
            added.map_err(StoreError::from)?;
        }
        Ok(())
    }

    /// The first `limit` topics after `after` that have a consumer. Removes others from the index.
    pub(super) async fn consumed_topics(
        &self,
        after: Option<&Topic>,
        limit: usize,
    ) -> Result<Vec<Topic>, StoreError> {
        let mut topics = Vec::new();
        let mut after = after.cloned();
        loop {
            let index = &self.consumer_topics;
            let rest = TopicRanges::all_after(after.as_ref());
            let (names, more) = index.names(&self.sessions, &rest).await?;
            after = names.last().cloned();
            let exists: Vec<_> = names
                .iter()
                .map(|topic| (keys::topic_slot(topic), self.exists_command(topic)))
                .collect();
            let mut unused = Vec::new();
            for (topic, exists) in names.into_iter().zip(self.sessions.each(&exists).await?) {
                match exists {
                    Ok(Value::Int(0)) => unused.push(topic),
                    _ => topics.push(topic),
                }
            }
            index
                .remove_unused(&self.sessions, &unused, |topic| self.exists_command(topic))
                .await?;
            if topics.len() >= limit || !more {
                topics.truncate(limit);
                return Ok(topics);
            }
        }
    }

    fn exists_command(&self, topic: &Topic) -> Cmd {
        let mut command = redis::cmd("EXISTS");
        command.arg(keys::consumers(&self.prefix, topic));
        command
    }
}
