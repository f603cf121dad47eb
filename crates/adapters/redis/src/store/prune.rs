//! Retention.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use posthorn_application::{Pruned, RetentionPolicy, StoreError};
use posthorn_domain::Topic;
use redis::Cmd;

use super::record;
use super::scripts::PRUNE;
use super::session::Session;
use super::topics::{IDLE, TopicIndex};
use crate::fault::Fault;
use crate::keys;

/// How many messages one run of the script removes at most: a few milliseconds of the server.
const STEP: usize = 500;
/// How many trips to the index a round makes at most.
const TRIPS: usize = 40;

/// How long it is known of a topic that got nothing new and holds nothing how far it was pruned: for
/// so long a reader that comes back is told that it missed messages.
const MARK_LIFE: Duration = Duration::from_hours(30 * 24);

/// Prunes in rounds. A round begins after the topics that the last one looked at, so that a topic
/// that fills as fast as it is pruned does not keep the others waiting.
pub(super) struct Pruner<'a> {
    pub(super) session: &'a Session,
    pub(super) index: &'a TopicIndex,
    pub(super) prefix: &'a str,
    /// After which topic to begin; where the next round begins when this one has ended.
    pub(super) place: &'a Mutex<Option<Topic>>,
}

impl Pruner<'_> {
    /// Goes once around the topics, or until the budget is spent.
    pub(super) async fn round(
        &self,
        policy: &RetentionPolicy,
        budget: usize,
    ) -> Result<Pruned, StoreError> {
        let begin = self
            .place
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut after = begin.clone();
        let mut wrapped = begin.is_none();
        let mut removed = 0;
        for _ in 0..TRIPS {
            let (names, more_names) = self.index.names(self.session, after.as_ref()).await?;
            after = if more_names {
                names.last().cloned()
            } else {
                None
            };
            let (chunk_removed, unfinished) = self
                .topics(names, policy, budget.saturating_sub(removed))
                .await?;
            removed += chunk_removed;
            self.place
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone_from(&after);
            let around = wrapped && (after.is_none() || begin.is_some() && after > begin);
            wrapped |= after.is_none();
            if unfinished || around {
                return Ok(pruned(removed, unfinished));
            }
            if removed >= budget {
                break;
            }
        }
        Ok(pruned(removed, true))
    }

    /// Prunes `topics`; says how many messages went and whether the budget ended it.
    async fn topics(
        &self,
        topics: Vec<Topic>,
        policy: &RetentionPolicy,
        budget: usize,
    ) -> Result<(usize, bool), StoreError> {
        let mut waiting = VecDeque::from(topics);
        let mut idle = Vec::new();
        let mut left = budget;
        while !waiting.is_empty() && left > 0 {
            let group: Vec<_> = waiting.drain(..left.min(waiting.len())).collect();
            let share = (left / group.len()).clamp(1, STEP);
            let commands: Vec<_> = group
                .iter()
                .map(|topic| (keys::topic_slot(topic), self.command(topic, policy, share)))
                .collect();
            for (topic, answer) in group.into_iter().zip(self.session.each(&commands).await?) {
                let answer = match answer.map_err(|error| Fault::of(&error)) {
                    Ok(answer) => answer,
                    Err(Fault::Corrupt(error)) => {
                        // Something else has the name of its stream; the other topics go on.
                        tracing::warn!(%topic, error, "cannot prune a topic that is no stream");
                        continue;
                    }
                    Err(fault) => return Err(fault.into()),
                };
                let (removed, more, empty): (usize, bool, bool) = record::from_value(answer)?;
                left = left.saturating_sub(removed);
                if more {
                    waiting.push_back(topic);
                } else if empty {
                    idle.push(topic);
                }
            }
        }
        if !idle.is_empty() {
            self.index
                .remove_idle(self.session, self.prefix, &idle)
                .await?;
        }
        Ok((budget - left, !waiting.is_empty()))
    }

    fn command(&self, topic: &Topic, policy: &RetentionPolicy, limit: usize) -> Cmd {
        let millis = |age: Duration| u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        let mut command = redis::cmd("EVAL");
        command
            .arg(PRUNE)
            .arg(3)
            .arg(keys::messages(self.prefix, topic))
            .arg(keys::pruned(self.prefix, topic))
            .arg(keys::fence(self.prefix, topic))
            .arg(millis(policy.max_age))
            .arg(policy.max_count)
            .arg(limit)
            .arg(millis(IDLE))
            .arg(millis(MARK_LIFE));
        command
    }
}

fn pruned(removed: usize, more: bool) -> Pruned {
    Pruned {
        removed: u64::try_from(removed).unwrap_or(u64::MAX),
        more,
    }
}
