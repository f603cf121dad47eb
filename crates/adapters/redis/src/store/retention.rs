//! Retention: rounds of pruning over all topics.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use posthorn_application::{Pruned, RetentionPolicy, StoreError};
use posthorn_domain::{Timestamp, Topic, TopicRanges};
use redis::{Cmd, RedisError, Value};

use super::read::topics::{IDLE, TopicIndex};
use super::record;
use super::scripts::{PRUNE, ScriptCall};
use super::time::ServerTime;
use crate::cluster::sessions::Sessions;
use crate::failure::{Redirect, RedisFailure};
use crate::keys;
use crate::mutex::lock;

/// The most messages that one call of the script removes: a few milliseconds of the server's time.
const MAX_STEP: usize = 500;
/// The most chunks of the index that a round reads.
const MAX_CHUNKS: usize = 40;
/// The TTL of the mark of an idle topic: for this time a returning reader gets an event that it
/// missed messages.
const MARK_TTL: Duration = Duration::from_hours(30 * 24);

/// Prunes in rounds. A round starts behind the topics of the last one, so that a topic that fills as
/// fast as it is pruned does not delay the others.
pub(super) struct Pruner<'a> {
    pub(super) sessions: &'a Sessions,
    pub(super) index: &'a TopicIndex,
    /// The index of topics with consumers.
    pub(super) consumed: &'a TopicIndex,
    /// The number of connections opened so far.
    pub(super) replacements: u64,
    pub(super) prefix: &'a str,
    pub(super) pass: &'a Mutex<PrunePass>,
    pub(super) time: &'a ServerTime,
}

/// How far a pass over all topics is. It may take several rounds.
#[derive(Clone, Debug, Default)]
pub(super) struct PrunePass {
    /// The topic behind which the pass began; `None` for the first topic.
    start: Option<Topic>,
    /// The topic behind which the pass continues; `None` for the first topic.
    after: Option<Topic>,
    /// True once the pass continued at the first topic, or began there.
    wrapped: bool,
}

impl PrunePass {
    /// A pass that begins behind `start`.
    fn behind(start: Option<Topic>) -> Self {
        Self {
            after: start.clone(),
            wrapped: start.is_none(),
            start,
        }
    }

    /// Continues the pass behind `after`, or at the first topic; returns true if every topic was pruned.
    fn advance(&mut self, after: Option<Topic>) -> bool {
        let is_complete =
            self.wrapped && (after.is_none() || self.start.is_some() && after >= self.start);
        self.wrapped |= after.is_none();
        self.after = after;
        is_complete
    }
}

/// The policy, and the time by which messages expire at most.
struct PruneLimits<'a> {
    policy: &'a RetentionPolicy,
    trusted: Timestamp,
}

/// The outcome of pruning some topics.
#[derive(Default)]
struct PrunedTopics {
    removed: usize,
    /// True if the budget was too small.
    more: bool,
    /// How far ids are ahead of the server's clock.
    id_lead: Duration,
}

/// The reply of the script for one topic.
#[derive(Default)]
struct ScriptReply {
    /// The number of removed messages.
    removed: usize,
    /// True if more messages have to be removed.
    more: bool,
    /// True if the topic has no message left and is not used.
    is_idle: bool,
    /// How far ids are ahead of the server's clock.
    id_lead: Duration,
    /// True if the topic has consumers.
    is_consumed: bool,
}

impl Pruner<'_> {
    /// Prunes every topic once, or until about `budget` messages are removed or [`MAX_CHUNKS`] are read: then the next
    /// round continues the pass.
    pub(super) async fn round(
        &self,
        policy: &RetentionPolicy,
        budget: usize,
    ) -> Result<Pruned, StoreError> {
        let trusted = self.time.read(self.sessions, self.prefix).await?;
        let limits = PruneLimits { policy, trusted };
        let mut pass = lock(self.pass).clone();
        let (mut removed, mut id_lead) = (0, Duration::ZERO);
        for _ in 0..MAX_CHUNKS {
            // Step 1: the next chunk of names; behind the last one the index starts over.
            let rest = TopicRanges::all_after(pass.after.as_ref());
            let (names, more_names) = self.index.names(self.sessions, &rest).await?;
            let after = names.last().filter(|_| more_names).cloned();
            // Step 2: prune the chunk.
            let chunk = self
                .prune_topics(names, &limits, budget.saturating_sub(removed))
                .await?;
            removed += chunk.removed;
            id_lead = chunk.id_lead.max(id_lead);
            self.time.observe_lead(id_lead);
            // Step 3: a pass that left something in its chunk begins anew behind it, to come back there.
            let is_complete = pass.advance(after);
            if chunk.more || is_complete {
                pass = PrunePass::behind(pass.after);
            }
            // Step 4: keep the pass after every chunk: a round that is cut off by its time limit must not
            // leave the next one at the same topics.
            lock(self.pass).clone_from(&pass);
            if chunk.more || is_complete {
                return Ok(pruned(removed, chunk.more, id_lead));
            }
            if removed >= budget {
                break;
            }
        }
        Ok(pruned(removed, true, id_lead))
    }

    /// Prunes `topics`.
    async fn prune_topics(
        &self,
        topics: Vec<Topic>,
        limits: &PruneLimits<'_>,
        budget: usize,
    ) -> Result<PrunedTopics, StoreError> {
        let mut waiting = VecDeque::from(topics);
        let (mut idle, mut consumed) = (Vec::new(), Vec::new());
        let mut left = budget;
        let mut id_lead = Duration::ZERO;
        let mut call = ScriptCall::EvalSha;
        while !waiting.is_empty() && left > 0 {
            // Step 1: call the script for each topic, with an equal share of the budget.
            let group: Vec<_> = waiting.drain(..left.min(waiting.len())).collect();
            let share = (left / group.len()).clamp(1, MAX_STEP);
            let command = |topic: &Topic| {
                let command = self.command(topic, limits, share, call);
                (keys::topic_slot(topic), command)
            };
            let commands: Vec<_> = group.iter().map(command).collect();
            let replies = self.sessions.each(&commands).await?;
            // Step 2: a topic with more to remove queues behind the others.
            let mut next_call = ScriptCall::EvalSha;
            for (topic, reply) in group.into_iter().zip(replies) {
                let Some(reply) = ScriptReply::parse(&topic, reply, call)? else {
                    // The next calls contain the script, which loads it.
                    next_call = ScriptCall::Eval;
                    waiting.push_back(topic);
                    continue;
                };
                id_lead = reply.id_lead.max(id_lead);
                left = left.saturating_sub(reply.removed);
                if reply.is_consumed {
                    consumed.push(topic.clone());
                }
                if reply.more {
                    waiting.push_back(topic);
                } else if reply.is_idle {
                    idle.push(topic);
                }
            }
            call = next_call;
        }
        // Step 3: the index forgets the topics that are idle and empty.
        self.remove_idle(&idle).await?;
        // Step 4: the index of consumers may have been lost without them: it can be on another node.
        let (sessions, replacements) = (self.sessions, self.replacements);
        let kept = self.consumed.keep(sessions, &consumed, replacements).await;
        if let Err(error) = kept.map_err(StoreError::from) {
            // A full server rejects it, and must be pruned all the same. The next round tries again.
            tracing::debug!(%error, "the index of consumers could not be completed");
        }
        Ok(PrunedTopics {
            removed: budget - left,
            more: !waiting.is_empty(),
            id_lead,
        })
    }

    /// Removes `topics` from the index, except for those that have a message again.
    async fn remove_idle(&self, topics: &[Topic]) -> Result<(), StoreError> {
        let length = |topic: &Topic| {
            let mut command = redis::cmd("XLEN");
            command.arg(keys::messages(self.prefix, topic));
            command
        };
        let removal = self.index.remove_unused(self.sessions, topics, length);
        Ok(removal.await?)
    }

    fn command(
        &self,
        topic: &Topic,
        PruneLimits { policy, trusted }: &PruneLimits<'_>,
        limit: usize,
        call: ScriptCall,
    ) -> Cmd {
        let millis = |age: Duration| u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        let mut command = PRUNE.topic_command(call, self.prefix, topic);
        command
            .arg(millis(policy.max_age))
            .arg(policy.max_count)
            .arg(limit)
            .arg(millis(IDLE))
            .arg(millis(MARK_TTL))
            .arg(trusted.as_millis());
        command
    }
}

impl ScriptReply {
    /// Parses the reply for `topic`; `None` if the server has not loaded the script.
    fn parse(
        topic: &Topic,
        reply: Result<Value, RedisError>,
        call: ScriptCall,
    ) -> Result<Option<Self>, StoreError> {
        let error = match reply {
            Ok(reply) => {
                let (removed, more, is_idle, id_lead, is_consumed) = record::from_value(reply)?;
                return Ok(Some(Self {
                    removed,
                    more,
                    is_idle,
                    id_lead: Duration::from_millis(id_lead),
                    is_consumed,
                }));
            }
            Err(error) => error,
        };
        if call == ScriptCall::EvalSha && is_no_script(&error) {
            return Ok(None);
        }
        match RedisFailure::from_error(&error) {
            RedisFailure::Corrupt(error) => {
                // The key of its stream has another type; it must not stop the others.
                tracing::warn!(%topic, error, "cannot prune a topic that is no stream");
                Ok(Some(Self::default()))
            }
            failure => Err(failure.into()),
        }
    }
}

fn is_no_script(error: &RedisError) -> bool {
    Redirect::from_error(error) == Some(Redirect::NoScript)
}

fn pruned(removed: usize, more: bool, id_lead: Duration) -> Pruned {
    Pruned {
        removed: u64::try_from(removed).unwrap_or(u64::MAX),
        more,
        id_lead,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(number: usize) -> Topic {
        Topic::parse(&format!("t{number:06}")).unwrap()
    }

    /// The chunks that a pass over `topics` reads until it is complete.
    fn chunks(start: Option<usize>, topics: usize) -> Option<usize> {
        const CHUNK: usize = 256;
        let mut pass = PrunePass::behind(start.map(topic));
        let mut next = start.map_or(0, |start| start + 1);
        (1..=3 * topics / CHUNK + 3).find(|_| {
            let end = next + CHUNK;
            let more = end < topics;
            next = if more { end } else { 0 };
            pass.advance(more.then(|| topic(end - 1)))
        })
    }

    #[test]
    fn a_pass_ends_when_every_topic_had_its_turn() {
        for (start, topics, expected) in [
            (None, 0, 1),
            (None, 256, 1),
            (None, 257, 2),
            // The last chunk ends exactly at the start.
            (Some(255), 10_000, 40),
            (Some(511), 10_000, 40),
            (Some(255), 20_480, 80),
            (Some(300), 10_000, 40),
        ] {
            assert_eq!(
                chunks(start, topics),
                Some(expected),
                "{start:?} of {topics}"
            );
        }
    }
}
