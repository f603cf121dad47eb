//! The index of topics.
//!
//! The index is in another slot than the topics, so it cannot change in one step with them. It may
//! name topics that are empty, which readers skip, but it does not lack one that holds messages.

// A process that has not added a topic in the last minute, or since a server went away, adds it
// before and after the append; and only a topic that got nothing for a day is taken out, so that
// no process trusts its memory of a name that was taken out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use posthorn_application::{StoreError, TopicPage, TopicRequest, TopicSummary};
use posthorn_domain::Topic;
use redis::{Cmd, Pipeline, RedisResult, Value};
use tokio::time::Instant;

use super::record;
use super::session::Session;
use crate::fault::Fault;
use crate::keys;
use crate::slots::slot_of;

/// How long a process relies on having added a topic: so long may a topic be missing from the list
/// when the index is lost without a connection being lost.
const TRUST: Duration = Duration::from_mins(1);
/// How long a topic has to have been without a new message to be taken out.
pub(super) const IDLE: Duration = Duration::from_hours(24);
/// How many names are remembered.
const REMEMBERED: usize = 10_000;
/// How many names of the index are looked at in one trip.
const CHUNK: usize = 256;

/// The index, and which of its names this process knows to be there.
pub(super) struct TopicIndex {
    key: String,
    slot: u16,
    known: Mutex<HashMap<Topic, Added>>,
}

/// When a name was added.
#[derive(Clone, Copy, Debug)]
pub(super) struct Added {
    /// When adding it began.
    pub(super) at: Instant,
    /// How many connections had been replaced by then.
    pub(super) replacements: u64,
}

impl TopicIndex {
    pub(super) fn new(prefix: &str) -> Self {
        let key = keys::topics(prefix);
        Self {
            slot: slot_of(&key),
            key,
            known: Mutex::default(),
        }
    }

    /// Whether `topic` is in the index, as far as can be said without asking.
    pub(super) fn is_known(&self, topic: &Topic, replacements: u64) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(topic)
            .is_some_and(|added| added.replacements == replacements && added.at.elapsed() < TRUST)
    }

    /// Relies on `topic` having been `added`.
    pub(super) fn remember(&self, topic: Topic, added: Added) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.retain(|_, added| added.at.elapsed() < TRUST);
        }
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(topic, added);
    }

    /// Puts `topic` into the index.
    pub(super) async fn add(&self, session: &Session, topic: &Topic) -> Result<(), Fault> {
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline
            .cmd("ZADD")
            .arg(&self.key)
            .arg(0)
            .arg(topic.as_str())
            .ignore();
        session.query(self.slot, &pipeline).await
    }

    /// Takes idle `topics` out, and puts those back that got messages meanwhile.
    pub(super) async fn remove_idle(
        &self,
        session: &Session,
        prefix: &str,
        topics: &[Topic],
    ) -> Result<(), Fault> {
        let mut pipeline = Pipeline::with_capacity(1);
        let names: Vec<_> = topics.iter().map(Topic::as_str).collect();
        pipeline.cmd("ZREM").arg(&self.key).arg(names).ignore();
        session.query::<()>(self.slot, &pipeline).await?;
        let lengths: Vec<_> = topics
            .iter()
            .map(|topic| (keys::topic_slot(topic), key_command("XLEN", prefix, topic)))
            .collect();
        for (topic, length) in topics.iter().zip(session.each(&lengths).await?) {
            // What cannot be said to be empty belongs into the index.
            if !matches!(length, Ok(Value::Int(0))) {
                self.add(session, topic).await?;
            }
        }
        Ok(())
    }

    /// Up to [`CHUNK`] names after `after`, and whether there are more.
    pub(super) async fn names(
        &self,
        session: &Session,
        after: Option<&Topic>,
    ) -> Result<(Vec<Topic>, bool), StoreError> {
        let from = after.map_or_else(|| "-".to_owned(), |topic| format!("({topic}"));
        let mut pipeline = Pipeline::with_capacity(1);
        let command = pipeline
            .cmd("ZRANGEBYLEX")
            .arg(&self.key)
            .arg(from)
            .arg("+");
        command.arg("LIMIT").arg(0).arg(CHUNK + 1);
        let [answer]: [Value; 1] = session.query(self.slot, &pipeline).await?;
        let mut names: Vec<String> = record::from_value(answer)?;
        let more = names.len() > CHUNK;
        names.truncate(CHUNK);
        let parse = |name: String| {
            Topic::parse(&name).map_err(|error| record::corrupt(format!("the index: {error}")))
        };
        Ok((
            names.into_iter().map(parse).collect::<Result<_, _>>()?,
            more,
        ))
    }

    /// The topics that hold messages.
    pub(super) async fn page(
        &self,
        session: &Session,
        prefix: &str,
        request: TopicRequest,
    ) -> Result<TopicPage, StoreError> {
        let limit = request.limit.get();
        let mut topics = Vec::new();
        let mut after = request.after;
        loop {
            let (names, more) = self.names(session, after.as_ref()).await?;
            let infos: Vec<_> = names
                .iter()
                .map(|topic| (keys::topic_slot(topic), info_command(prefix, topic)))
                .collect();
            after = names.last().cloned();
            for (topic, info) in names.into_iter().zip(session.each(&infos).await?) {
                topics.extend(summary(topic, info)?);
            }
            if topics.len() > limit || !more {
                let has_more = topics.len() > limit;
                topics.truncate(limit);
                return Ok(TopicPage { topics, has_more });
            }
        }
    }
}

fn key_command(name: &str, prefix: &str, topic: &Topic) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(keys::messages(prefix, topic));
    command
}

fn info_command(prefix: &str, topic: &Topic) -> Cmd {
    let mut command = redis::cmd("XINFO");
    command.arg("STREAM").arg(keys::messages(prefix, topic));
    command
}

/// Reads `XINFO STREAM`: names and values in turn; `None` for a stream that is empty or not there.
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
        Err(error) => match Fault::of(&error) {
            Fault::Corrupt(text) => {
                // Its own readers and writers are told; the other topics are well.
                tracing::debug!(%topic, error = text, "skipping a topic that is no stream");
                return Ok(None);
            }
            fault => return Err(fault.into()),
        },
        Ok(_) => {
            return Err(record::corrupt(
                "XINFO answered in an unknown form".to_owned(),
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
    Ok(record::from_value::<Option<record::Entry>>(value)?.map(|(id, _)| id))
}
