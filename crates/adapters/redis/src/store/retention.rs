//! Retention: rounds of pruning over all topics.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use posthorn_application::{Pruned, RetentionPolicy, StoreError};
use posthorn_domain::Topic;
use redis::{Cmd, RedisError};

use super::read::topics::{IDLE, TopicIndex};
use super::record;
use super::scripts::{PRUNE, ScriptCall};
use crate::cluster::sessions::Sessions;
use crate::failure::{Redirect, RedisFailure};
use crate::keys;
use crate::mutex::lock;

/// The most messages that one call of the script removes: a few milliseconds of the server's time.
const MAX_STEP: usize = 500;
/// The most chunks of the index that a round reads.
const MAX_CHUNKS: usize = 40;
/// The TTL of the mark of an idle topic: the time for which a returning reader is told that it
/// missed messages.
const MARK_TTL: Duration = Duration::from_hours(30 * 24);

/// Prunes in rounds. A round starts behind the topics of the last one, so that a topic that fills as
/// fast as it is pruned does not delay the others.
pub(super) struct Pruner<'a> {
    pub(super) sessions: &'a Sessions,
    pub(super) index: &'a TopicIndex,
    pub(super) prefix: &'a str,
    /// The topic behind which the next round starts; `None` for the first topic.
    pub(super) cursor: &'a Mutex<Option<Topic>>,
}

impl Pruner<'_> {
    /// Prunes every topic once, or until about `budget` messages are removed.
    pub(super) async fn round(
        &self,
        policy: &RetentionPolicy,
        budget: usize,
    ) -> Result<Pruned, StoreError> {
        let start = lock(self.cursor).clone();
        let mut after = start.clone();
        let mut wrapped = start.is_none();
        let mut removed = 0;
        for _ in 0..MAX_CHUNKS {
            // Step 1: the next chunk of names; behind the last one the index starts over.
            let (names, more_names) = self.index.names(self.sessions, after.as_ref()).await?;
            after = if more_names {
                names.last().cloned()
            } else {
                None
            };
            // Step 2: prune the chunk.
            let (chunk_removed, unfinished) = self
                .prune_topics(names, policy, budget.saturating_sub(removed))
                .await?;
            removed += chunk_removed;
            // Step 3: move the cursor after every chunk: a round that is cut off by its time limit
            // must not leave the next one at the same topics.
            lock(self.cursor).clone_from(&after);
            // Step 4: stop behind the topic at which the round started.
            let complete = wrapped && (after.is_none() || start.is_some() && after > start);
            wrapped |= after.is_none();
            if unfinished || complete {
                return Ok(pruned(removed, unfinished));
            }
            if removed >= budget {
                break;
            }
        }
        Ok(pruned(removed, true))
    }

    /// Prunes `topics`. Returns the number of removed messages, and true if the budget was too small.
    async fn prune_topics(
        &self,
        topics: Vec<Topic>,
        policy: &RetentionPolicy,
        budget: usize,
    ) -> Result<(usize, bool), StoreError> {
        let mut waiting = VecDeque::from(topics);
        let mut idle = Vec::new();
        let mut left = budget;
        let mut call = ScriptCall::EvalSha;
        while !waiting.is_empty() && left > 0 {
            // Every topic gets an equal share; a topic with more to remove queues behind the others.
            let group: Vec<_> = waiting.drain(..left.min(waiting.len())).collect();
            let share = (left / group.len()).clamp(1, MAX_STEP);
            let mut no_script = false;
            let commands: Vec<_> = group
                .iter()
                .map(|topic| {
                    (
                        keys::topic_slot(topic),
                        self.command(topic, policy, share, call),
                    )
                })
                .collect();
            let replies = self.sessions.each(&commands).await?;
            for (topic, reply) in group.into_iter().zip(replies) {
                let reply = match reply {
                    Ok(reply) => reply,
                    Err(error) if is_no_script(&error) && call == ScriptCall::EvalSha => {
                        no_script = true;
                        waiting.push_back(topic);
                        continue;
                    }
                    Err(error) => match RedisFailure::from_error(&error) {
                        RedisFailure::Corrupt(error) => {
                            // The key of its stream has another type; it must not stop the others.
                            tracing::warn!(%topic, error, "cannot prune a topic that is no stream");
                            continue;
                        }
                        failure => return Err(failure.into()),
                    },
                };
                let (removed, more, empty): (usize, bool, bool) = record::from_value(reply)?;
                left = left.saturating_sub(removed);
                if more {
                    waiting.push_back(topic);
                } else if empty {
                    idle.push(topic);
                }
            }
            call = if no_script {
                ScriptCall::Eval
            } else {
                ScriptCall::EvalSha
            };
        }
        if !idle.is_empty() {
            self.index
                .remove_unused(self.sessions, &idle, |topic| {
                    let mut command = redis::cmd("XLEN");
                    command.arg(keys::messages(self.prefix, topic));
                    command
                })
                .await?;
        }
        Ok((budget - left, !waiting.is_empty()))
    }

    fn command(
        &self,
        topic: &Topic,
        policy: &RetentionPolicy,
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
            .arg(millis(MARK_TTL));
        command
    }
}

fn is_no_script(error: &RedisError) -> bool {
    Redirect::from_error(error) == Some(Redirect::NoScript)
}

fn pruned(removed: usize, more: bool) -> Pruned {
    Pruned {
        removed: u64::try_from(removed).unwrap_or(u64::MAX),
        more,
        ..Pruned::default()
    }
}
