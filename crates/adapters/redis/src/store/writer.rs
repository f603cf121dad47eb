//! The task that writes to one node: whatever is waiting goes out as one pipeline.

use std::collections::HashSet;
use std::time::Duration;

use posthorn_application::Append;
use posthorn_domain::{Durability, Topic};
use redis::{Pipeline, RedisResult, Value};
use tokio::sync::{mpsc, oneshot};

use super::link::{CallError, Lease, Link};
use super::scripts::Named;
use super::synced::{SYNCED, ask_synced, durability, is_synced};
use super::{record, settings::RedisStoreSettings};
use crate::fault::{Fault, Redirect, asked_node};
use crate::keys;
use crate::slots::NodeAddress;

/// How many appends share a pipeline at most.
const PIPELINE: usize = 256;

/// How many topics are remembered as fenced; fencing one again changes nothing.
const FENCED: usize = 10_000;

/// Something to write, and whom to tell.
pub(super) struct Job {
    pub(super) work: Work,
    /// Whether the node only gets the slot, and another one sent the work here.
    pub(super) asking: bool,
    pub(super) reply: oneshot::Sender<Result<Written, WriteError>>,
}

/// Something to write.
pub(super) enum Work {
    /// A message.
    Append(Append),
    /// Nothing; a write is tried at the node of that number.
    Probe(u32),
}

/// The server's answer, once the required durability was reached.
pub(super) struct Written {
    /// What was asked for, handed back.
    pub(super) work: Work,
    pub(super) answer: Value,
    pub(super) durability: Durability,
}

/// Why a write failed.
pub(super) enum WriteError {
    /// It may have been executed.
    Fault(Fault),
    /// Another node has to do it, and this one did not.
    Elsewhere(Work, Fault),
    /// This node, which gets the slot, has to do it, and the one that was asked did not.
    Ask(Work, NodeAddress, Fault),
}

/// What the task needs.
pub(super) struct Writer {
    link: Link,
    settings: RedisStoreSettings,
    bound: Duration,
    /// The connection whose server was asked, and what durability it reaches.
    reached: Option<(u64, Durability)>,
    /// The topics that were fenced over the connection of that generation.
    fenced: (u64, HashSet<Topic>),
}

/// The state of one pipeline.
struct Sent {
    answers: Vec<RedisResult<Value>>,
    durability: Durability,
    /// Why what was written is not as safe as it has to be, if it is not.
    short: Option<Fault>,
    /// Of the connection.
    generation: u64,
}

/// What is left of a pipeline.
#[derive(Default)]
struct Refused {
    /// Jobs whose script the server does not know.
    unknown: Vec<Job>,
    /// Whether the server sent any job elsewhere.
    elsewhere: bool,
}

impl Writer {
    pub(super) fn new(link: Link, settings: &RedisStoreSettings) -> Self {
        Self {
            link,
            bound: settings.write_bound(),
            settings: settings.clone(),
            reached: None,
            fenced: (0, HashSet::new()),
        }
    }

    /// Writes until every sender is gone and the queue is empty.
    pub(super) async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut batch = Vec::with_capacity(PIPELINE);
        while jobs.recv_many(&mut batch, PIPELINE).await > 0 {
            // Whoever stopped waiting was told that it failed; it would only cost the others time.
            batch.retain(|job| !job.reply.is_closed());
            let unknown = self.write(std::mem::take(&mut batch), Named::ByHash).await;
            self.write(unknown, Named::ByText).await;
        }
    }

    /// Writes `jobs` and answers them, but for those whose script the server does not know.
    async fn write(&mut self, jobs: Vec<Job>, script: Named) -> Vec<Job> {
        if jobs.is_empty() {
            return jobs;
        }
        match self.send(&jobs, script).await {
            Ok(sent) => {
                let generation = sent.generation;
                let refused = answer(jobs, sent);
                if refused.elsewhere {
                    // A demoted primary may keep its connections; a new one leads to its successor.
                    self.link.discard(generation).await;
                }
                refused.unknown
            }
            Err(fault) => {
                for job in jobs {
                    // Nobody waits any more: nothing is left to tell.
                    let _ = job.reply.send(Err(WriteError::Fault(fault.clone())));
                }
                Vec::new()
            }
        }
    }

    async fn send(&mut self, jobs: &[Job], script: Named) -> Result<Sent, Fault> {
        let (mut lease, durability) = match self.ready().await {
            Ok(ready) => ready,
            // The connection broke since it was last tried, before anything was written to it.
            Err(_) => self.ready().await?,
        };
        let unfenced = self.unfenced(jobs, lease.generation);
        let pipeline = self.pipeline(&unfenced, jobs, durability, script);
        let answers = self.link.call(&mut lease, &pipeline, self.bound);
        let mut fences: Vec<RedisResult<Value>> = answers.await.map_err(CallError::into_fault)?;
        let mut answers = fences.split_off(unfenced.len().min(fences.len()));
        let after = answers.split_off(jobs.len().min(answers.len()));
        self.note_fenced(unfenced, fences);
        let mut sent = Sent {
            answers,
            durability,
            short: None,
            generation: lease.generation,
        };
        match durability {
            Durability::Replicated => sent.short = self.shortage(after),
            Durability::Synced if !is_synced(&after) => {
                // The server was told to sync no more, at the latest while this was written.
                self.reached = None;
                sent.durability = Durability::Memory;
                sent.short = self.refusal(sent.durability);
            }
            Durability::Synced | Durability::Memory => {}
        }
        Ok(sent)
    }

    /// A connection, and the durability of what its server stores, which is the required one at
    /// least.
    async fn ready(&mut self) -> Result<(Lease, Durability), Fault> {
        let mut lease = self.link.lease().await?;
        if let Some((generation, durability)) = self.reached
            && generation == lease.generation
        {
            return Ok((lease, durability));
        }
        let durability =
            durability(&self.link, &mut lease, self.settings.durability, self.bound).await?;
        if let Some(fault) = self.refusal(durability) {
            return Err(fault);
        }
        self.reached = Some((lease.generation, durability));
        Ok((lease, durability))
    }

    /// Why `durability` is not enough, if it is not.
    fn refusal(&self, durability: Durability) -> Option<Fault> {
        (durability < self.settings.durability)
            .then(|| Fault::Transient(format!("Redis reaches the durability {durability} only")))
    }

    /// The topics of `jobs` that were not fenced yet over the connection of that generation.
    fn unfenced(&mut self, jobs: &[Job], generation: u64) -> Vec<Topic> {
        if self.fenced.0 != generation || self.fenced.1.len() >= FENCED {
            self.fenced = (generation, HashSet::new());
        }
        let mut topics: Vec<_> = jobs
            .iter()
            // A node that only gets the slot does not have all of the topic's keys yet.
            .filter(|job| !job.asking)
            .filter_map(|job| match &job.work {
                Work::Append(append) => Some(&append.message.topic),
                Work::Probe(_) => None,
            })
            .filter(|topic| !self.fenced.1.contains(*topic))
            .cloned()
            .collect();
        topics.sort_unstable();
        topics.dedup();
        topics
    }

    fn note_fenced(&mut self, topics: Vec<Topic>, answers: Vec<RedisResult<Value>>) {
        for (topic, answer) in topics.into_iter().zip(answers) {
            match answer {
                Ok(_) => {
                    self.fenced.1.insert(topic);
                }
                // Whatever it is, the topic's appends are told, too; and it is tried again.
                Err(error) => tracing::debug!(%topic, %error, "cannot fence the topic"),
            }
        }
    }

    /// The fences, the jobs' commands, the announcement, and what shows that `durability` was
    /// reached.
    fn pipeline(
        &self,
        unfenced: &[Topic],
        jobs: &[Job],
        durability: Durability,
        script: Named,
    ) -> Pipeline {
        let commands = unfenced.len() + jobs.len() + 1 + SYNCED.len();
        let mut pipeline = Pipeline::with_capacity(commands);
        for topic in unfenced {
            let prefix = &self.settings.redis.prefix;
            pipeline.add_command(record::fence_command(prefix, topic, true));
        }
        let mut topics: Vec<&Topic> = Vec::with_capacity(jobs.len());
        for job in jobs {
            if job.asking {
                pipeline.cmd("ASKING").ignore();
            }
            match &job.work {
                Work::Append(append) => {
                    pipeline.add_command(record::append_command(
                        &self.settings.redis.prefix,
                        append,
                        durability,
                        script,
                    ));
                    topics.push(&append.message.topic);
                }
                Work::Probe(tag) => {
                    pipeline.add_command(record::probe_command(&self.settings.redis.prefix, *tag));
                }
            }
        }
        topics.sort_unstable();
        topics.dedup();
        if !topics.is_empty() {
            let names: Vec<_> = topics.into_iter().map(Topic::as_str).collect();
            pipeline
                .cmd("PUBLISH")
                .arg(keys::wake(&self.settings.redis.prefix))
                .arg(names.join("\n"))
                .ignore();
        }
        match durability {
            Durability::Replicated => {
                pipeline.add_command(self.settings.wait_command());
            }
            // A server syncs before it answers, as it is set then: so it is asked after the writes.
            Durability::Synced => ask_synced(&mut pipeline),
            Durability::Memory => {}
        }
        pipeline.ignore_errors();
        pipeline
    }

    /// Why the answer to `WAIT` is not enough, if it is not.
    fn shortage(&self, answers: Vec<RedisResult<Value>>) -> Option<Fault> {
        let wanted = self.settings.replicas();
        let answer = answers.into_iter().next().unwrap_or(Ok(Value::Nil));
        match answer.and_then(|answer| Ok(redis::from_redis_value::<u64>(answer)?)) {
            Ok(replicas) if replicas >= u64::from(wanted) => None,
            Ok(replicas) => Some(Fault::Transient(format!(
                "{replicas} of {wanted} replicas acknowledged in time"
            ))),
            Err(error) => Some(Fault::of(&error)),
        }
    }
}

/// Tells each caller its answer, but for those whose script the server does not know.
fn answer(jobs: Vec<Job>, sent: Sent) -> Refused {
    let Sent {
        answers,
        durability,
        short,
        ..
    } = sent;
    let mut refused = Refused::default();
    for (job, answer) in jobs.into_iter().zip(answers) {
        let Job {
            work,
            asking,
            reply,
        } = job;
        let outcome = match (answer, &short) {
            (Ok(_), Some(fault)) => Err(WriteError::Fault(fault.clone())),
            (Ok(answer), None) => Ok(Written {
                work,
                answer,
                durability,
            }),
            (Err(error), _) => match Redirect::of(&error) {
                Some(Redirect::NoScript) => {
                    refused.unknown.push(Job {
                        work,
                        asking,
                        reply,
                    });
                    continue;
                }
                Some(Redirect::Elsewhere) => {
                    refused.elsewhere = true;
                    Err(WriteError::Elsewhere(work, Fault::of(&error)))
                }
                Some(Redirect::Ask) | None => Err(match asked_node(&error) {
                    Some(node) => WriteError::Ask(work, node, Fault::of(&error)),
                    None => WriteError::Fault(Fault::of(&error)),
                }),
            },
        };
        // Nobody waits any more: nothing is left to tell.
        let _ = reply.send(outcome);
    }
    refused
}
