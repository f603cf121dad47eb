//! The index of topics. It is in another slot than the topics, so no step can change both: it can contain
//! empty topics, which readers skip, but never lacks a topic with messages. A process that has not indexed
//! a topic within [`REINDEX_AFTER`], or since a connection was opened, indexes it before and after the
//! append; and only a topic without a new message for [`IDLE`] is removed, which is longer than any
//! process remembers that it indexed the topic.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Mutex;
use std::time::Duration;

use posthorn_application::{StoreError, TopicPage, TopicRequest, TopicSummary};
use posthorn_domain::{Topic, TopicRanges};
use redis::{Cmd, Pipeline, RedisResult, Value};
use tokio::time::Instant;

use crate::cluster::sessions::Sessions;
use crate::cluster::slots::slot_of;
use crate::failure::RedisFailure;
use crate::keys;
use crate::mutex::lock;
use crate::store::record;
use crate::store::scripts::ADMIT;

/// The time after which a process indexes a topic again: the longest time that the list can lack a
/// topic after the index was lost without a lost connection.
const REINDEX_AFTER: Duration = Duration::from_mins(1);
/// The time without a new message after which a topic is removed.
pub(crate) const IDLE: Duration = Duration::from_hours(24);
/// The most topics to remember as indexed, ten times the default of `MAX_TOPICS`.
const MAX_REMEMBERED: usize = 100_000;
/// The number of names read in one round trip.
const CHUNK: usize = 256;

/// The index, and the topics that this process knows to be in it.
pub(crate) struct TopicIndex {
    key: String,
    slot: u16,
    indexed: Mutex<HashMap<Topic, Indexed>>,
    /// Topics that may have been removed although they are in use: their removal failed, or was dropped.
    unchecked: Mutex<BTreeSet<Topic>>,
}

/// A range of names as the arguments of `ZRANGEBYLEX`.
struct IndexRange {
    from: Vec<u8>,
    to: Vec<u8>,
}

/// The time at which a topic was indexed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Indexed {
    /// The time.
    pub(crate) at: Instant,
    /// The number of connections opened by then.
    pub(crate) replacements: u64,
}

impl TopicIndex {
    /// The index in `key`.
    pub(crate) fn new(key: String) -> Self {
        Self {
            slot: slot_of(&key),
            key,
            indexed: Mutex::default(),
            unchecked: Mutex::default(),
        }
    }

    /// True if this process knows that `topic` is in the index.
    pub(crate) fn is_indexed(&self, topic: &Topic, replacements: u64) -> bool {
        lock(&self.indexed).get(topic).is_some_and(|indexed| {
            indexed.replacements == replacements && indexed.at.elapsed() < REINDEX_AFTER
        })
    }

    /// Remembers that `topic` was indexed.
    pub(crate) fn remember(&self, topic: Topic, time: Indexed) {
        let mut indexed = lock(&self.indexed);
        if indexed.len() >= MAX_REMEMBERED {
            indexed.retain(|_, time| time.at.elapsed() < REINDEX_AFTER);
        }
        if indexed.len() >= MAX_REMEMBERED {
            indexed.clear();
        }
        indexed.insert(topic, time);
    }

    /// Adds `topic`.
    pub(crate) async fn add(&self, sessions: &Sessions, topic: &Topic) -> Result<(), RedisFailure> {
        self.add_all(sessions, &[topic]).await
    }

    /// Adds `topics`, at least one, in one call.
    async fn add_all(&self, sessions: &Sessions, topics: &[&Topic]) -> Result<(), RedisFailure> {
        let mut command = redis::cmd("ZADD");
        command.arg(&self.key);
        for topic in topics {
            command.arg(0).arg(topic.as_str());
        }
        sessions.query(self.slot, &command).await
    }

    /// Adds those of `topics` of which this process does not know that they are in the index.
    pub(crate) async fn keep(
        &self,
        sessions: &Sessions,
        topics: &[Topic],
        replacements: u64,
    ) -> Result<(), RedisFailure> {
        let at = Instant::now();
        let is_unknown = |topic: &&Topic| !self.is_indexed(topic, replacements);
        let unknown: Vec<_> = topics.iter().filter(is_unknown).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        self.add_all(sessions, &unknown).await?;
        for topic in unknown {
            self.remember(topic.clone(), Indexed { at, replacements });
        }
        Ok(())
    }

    /// Adds `topic` unless the index has `max` others; returns true if it has the topic then.
    pub(crate) async fn admit(
        &self,
        sessions: &Sessions,
        topic: &Topic,
        max: u64,
    ) -> Result<bool, RedisFailure> {
        let mut script = ADMIT.key(&self.key);
        script.arg(topic.as_str()).arg(max);
        sessions.query(self.slot, &script).await
    }

    /// The number of topics.
    pub(crate) async fn count(&self, sessions: &Sessions) -> Result<u64, RedisFailure> {
        let mut command = redis::cmd("ZCARD");
        command.arg(&self.key);
        sessions.query(self.slot, &command).await
    }

    /// Removes unused `topics`, and adds those again that are in use meanwhile, also of calls before that did not end.
    /// `usage` is the command that returns 0 for a topic that is not in use.
    pub(crate) async fn remove_unused(
        &self,
        sessions: &Sessions,
        topics: &[Topic],
        usage: impl Fn(&Topic) -> Cmd,
    ) -> Result<(), RedisFailure> {
        let topics: Vec<_> = {
            let mut unchecked = lock(&self.unchecked);
            unchecked.extend(topics.iter().cloned());
            unchecked.iter().cloned().collect()
        };
        if topics.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = topics.iter().map(Topic::as_str).collect();
        let mut command = redis::cmd("ZREM");
        command.arg(&self.key).arg(names);
        sessions.query::<()>(self.slot, &command).await?;
        let commands: Vec<_> = topics
            .iter()
            .map(|topic| (keys::topic_slot(topic), usage(topic)))
            .collect();
        for (topic, reply) in topics.iter().zip(sessions.each(&commands).await?) {
            // A topic of which nothing is known may be in use.
            if !matches!(reply, Ok(Value::Int(0))) {
                self.add(sessions, topic).await?;
            }
        }
        let is_checked = |topic: &Topic| topics.binary_search(topic).is_ok();
        lock(&self.unchecked).retain(|topic| !is_checked(topic));
        Ok(())
    }

    /// Up to [`CHUNK`] of the index's names in the ranges, in their order, and true if there are more: then there is one
    /// at least.
    pub(crate) async fn names(
        &self,
        sessions: &Sessions,
        names: &TopicRanges,
    ) -> Result<(Vec<Topic>, bool), StoreError> {
        let mut ranges: Vec<_> = names.as_slice().iter().map(IndexRange::from).collect();
        // At least a few of each, so that many short ranges take one round trip.
        let share = (CHUNK / ranges.len().max(1)).max(4);
        loop {
            let mut pipeline = Pipeline::with_capacity(ranges.len());
            for range in &ranges {
                let command = pipeline.cmd("ZRANGEBYLEX").arg(&self.key);
                command.arg(&range.from).arg(&range.to);
                command.arg("LIMIT").arg(0).arg(share + 1);
            }
            let replies: Vec<Vec<Vec<u8>>> = if ranges.is_empty() {
                Vec::new()
            } else {
                sessions.query(self.slot, &pipeline).await?
            };
            let mut topics = Vec::new();
            let mut rest = None;
            for (number, mut names) in replies.into_iter().enumerate() {
                let more = names.len() > share;
                names.truncate(share);
                // A damaged name hides only itself.
                let parse = |name: &Vec<u8>| Topic::parse(str::from_utf8(name).ok()?).ok();
                topics.extend(names.iter().filter_map(parse));
                if more {
                    rest = names.pop().map(|last| (number, last));
                    break;
                }
            }
            let Some((number, last)) = rest else {
                return Ok((topics, false));
            };
            if !topics.is_empty() {
                return Ok((topics, true));
            }
            // All of them are damaged: search behind them.
            ranges.drain(..number);
            if let Some(first) = ranges.first_mut() {
                first.from = [b"(".as_slice(), &last].concat();
            }
        }
    }

    /// A page of the topics that hold messages.
    pub(crate) async fn page(
        &self,
        sessions: &Sessions,
        prefix: &str,
        request: TopicRequest,
    ) -> Result<TopicPage, StoreError> {
        let limit = request.limit.get();
        let mut topics = Vec::new();
        let mut rest = request.names;
        loop {
            let (names, more) = self.names(sessions, &rest).await?;
            let infos: Vec<_> = names
                .iter()
                .map(|topic| (keys::topic_slot(topic), info_command(prefix, topic)))
                .collect();
            if let Some(last) = names.last() {
                rest = rest.after(last);
            }
            for (topic, info) in names.into_iter().zip(sessions.each(&infos).await?) {
                match summary(topic.clone(), info) {
                    Ok(summary) => topics.extend(summary),
                    Err(error) if error.is_transient() => return Err(error),
                    Err(error) => tracing::debug!(%topic, %error, "skipping a damaged topic"),
                }
            }
            if topics.len() > limit || !more {
                let has_more = topics.len() > limit;
                topics.truncate(limit);
                return Ok(TopicPage { topics, has_more });
            }
        }
    }
}

impl From<&Range<String>> for IndexRange {
    fn from(names: &Range<String>) -> Self {
        Self {
            from: format!("[{}", names.start).into_bytes(),
            to: format!("({}", names.end).into_bytes(),
        }
    }
}

fn info_command(prefix: &str, topic: &Topic) -> Cmd {
    let mut command = redis::cmd("XINFO");
    command.arg("STREAM").arg(keys::messages(prefix, topic));
    command
}

/// Parses the reply to `XINFO STREAM`, names and values in turn; `None` for a stream that is empty or
/// does not exist.
fn summary(topic: Topic, info: RedisResult<Value>) -> Result<Option<TopicSummary>, StoreError> {
    let info = match info {
        Ok(Value::Array(info)) => info,
        Err(error)
            if error
                .detail()
                .is_some_and(|text| text.contains("no such key")) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(RedisFailure::from_error(&error).into()),
        Ok(_) => {
            return Err(record::corrupt(
                "the reply to XINFO has an unknown form".to_owned(),
            ));
        }
    };
    let (mut count, mut first, mut last) = (0, None, None);
    let mut info = info.into_iter();
    while let (Some(name), Some(value)) = (info.next(), info.next()) {
        match record::from_value::<String>(name)?.as_str() {
            "length" => count = record::from_value(value)?,
            "first-entry" => first = entry_id(value)?,
            "last-entry" => last = entry_id(value)?,
            _ => {}
        }
    }
    let (Some(first), Some(last)) = (first, last) else {
        return Ok(None);
    };
    Ok(Some(TopicSummary {
        topic,
        count,
        first: record::parse_id(&first)?,
        last: record::parse_id(&last)?,
    }))
}

fn entry_id(value: Value) -> Result<Option<String>, StoreError> {
    Ok(record::from_value::<Option<(String, Value)>>(value)?.map(|(id, _)| id))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use posthorn_testkit::{RedisServer, samples};

    use super::*;
    use crate::RedisSettings;
    use crate::cluster::directory::SlotDirectory;
    use crate::deployment::connector::Connector;

    #[tokio::test]
    async fn a_used_topic_whose_removal_failed_midway_is_added_by_the_next_one() {
        let server = RedisServer::start().await;
        let settings = RedisSettings::new(server.url().into());
        let patience = Duration::from_secs(10);
        let connector = Arc::new(Connector::new(&settings, patience).unwrap());
        let directory = Arc::new(SlotDirectory::new(Arc::clone(&connector)));
        let sessions = Sessions::new(connector, directory, patience, patience);
        let index = TopicIndex::new("topics".to_owned());
        let topic = samples::topic("used");
        index.add(&sessions, &topic).await.unwrap();
        // Its reply is not 0.
        let in_use = |_: &Topic| redis::cmd("TIME");
        let rule = async |rule| {
            let command = ["ACL", "SETUSER", "default", rule];
            server.command(&command).await.unwrap();
        };
        rule("-zadd").await;
        let removal = index.remove_unused(&sessions, &[topic], in_use).await;
        assert!(removal.is_err());
        assert_eq!(index.count(&sessions).await, Ok(0));
        rule("+zadd").await;
        index.remove_unused(&sessions, &[], in_use).await.unwrap();
        assert_eq!(index.count(&sessions).await, Ok(1));
    }
}
