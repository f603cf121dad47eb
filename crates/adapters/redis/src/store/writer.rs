//! The task that writes to one node: whatever is waiting goes out as one pipeline.

use std::time::Duration;

use posthorn_application::Append;
use posthorn_domain::{Durability, Topic};
use redis::{Pipeline, RedisResult, Value};
use tokio::sync::{mpsc, oneshot};

use super::link::{CallError, Lease, Link};
use super::scripts::Named;
use super::{record, settings::RedisStoreSettings};
use crate::fault::{Fault, Redirect};
use crate::keys;

/// How many appends share a pipeline at most.
const PIPELINE: usize = 256;

/// Something to write, and whom to tell.
pub(super) struct Job {
    pub(super) work: Work,
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
}

/// What the task needs.
pub(super) struct Writer {
    link: Link,
    settings: RedisStoreSettings,
    bound: Duration,
    /// The connection whose server was asked, and what durability it reaches.
    reached: Option<(u64, Durability)>,
}

/// The state of one pipeline.
struct Sent {
    answers: Vec<RedisResult<Value>>,
    durability: Durability,
    /// Why the replicas' acknowledgement is missing, if it is wanted.
    short_of_replicas: Option<Fault>,
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
        let pipeline = self.pipeline(jobs, durability, script);
        let answers = self.link.call(&mut lease, &pipeline, self.bound);
        let mut answers: Vec<RedisResult<Value>> = answers.await.map_err(CallError::into_fault)?;
        let waits = self.settings.durability == Durability::Replicated;
        let acknowledged = if waits { answers.pop() } else { None };
        let short_of_replicas = acknowledged.and_then(|answer| self.shortage(answer));
        Ok(Sent {
            answers,
            durability,
            short_of_replicas,
            generation: lease.generation,
        })
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
        if durability < self.settings.durability {
            let text = format!("Redis reaches the durability {durability} only");
            return Err(Fault::Transient(text));
        }
        self.reached = Some((lease.generation, durability));
        Ok((lease, durability))
    }

    /// The jobs' commands, the announcement, and the wait for replicas.
    fn pipeline(&self, jobs: &[Job], durability: Durability, script: Named) -> Pipeline {
        let mut pipeline = Pipeline::with_capacity(jobs.len() + 2);
        let mut topics: Vec<&Topic> = Vec::with_capacity(jobs.len());
        for job in jobs {
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
        if self.settings.durability == Durability::Replicated {
            pipeline.add_command(self.settings.wait_command());
        }
        pipeline.ignore_errors();
        pipeline
    }

    fn shortage(&self, answer: RedisResult<Value>) -> Option<Fault> {
        match answer.and_then(|answer| Ok(redis::from_redis_value::<u64>(answer)?)) {
            Ok(replicas) if replicas >= u64::from(self.settings.replicas()) => None,
            Ok(replicas) => Some(Fault::Transient(format!(
                "{replicas} of {} replicas acknowledged in time",
                self.settings.replicas()
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
        short_of_replicas,
        ..
    } = sent;
    let mut refused = Refused::default();
    for (job, answer) in jobs.into_iter().zip(answers) {
        let Job { work, reply } = job;
        let outcome = match (answer, &short_of_replicas) {
            (Ok(_), Some(fault)) => Err(WriteError::Fault(fault.clone())),
            (Ok(answer), None) => Ok(Written {
                work,
                answer,
                durability,
            }),
            (Err(error), _) => match Redirect::of(&error) {
                Some(Redirect::NoScript) => {
                    refused.unknown.push(Job { work, reply });
                    continue;
                }
                Some(Redirect::Elsewhere) => {
                    refused.elsewhere = true;
                    Err(WriteError::Elsewhere(work, Fault::of(&error)))
                }
                None => Err(WriteError::Fault(Fault::of(&error))),
            },
        };
        // Nobody waits any more: nothing is left to tell.
        let _ = reply.send(outcome);
    }
    refused
}

/// Finds out what durability the server's answers stand for when `required` is waited for.
pub(super) async fn durability(
    link: &Link,
    lease: &mut Lease,
    required: Durability,
    bound: Duration,
) -> Result<Durability, Fault> {
    if required == Durability::Replicated {
        return Ok(Durability::Replicated);
    }
    let mut pipeline = Pipeline::with_capacity(2);
    for setting in ["appendonly", "appendfsync"] {
        pipeline.cmd("CONFIG").arg("GET").arg(setting);
    }
    pipeline.ignore_errors();
    let call = link.call::<[RedisResult<Value>; 2]>(lease, &pipeline, bound);
    let [append_only, append_fsync] = call.await.map_err(CallError::into_fault)?;
    let synced = is_set(append_only, "yes") && is_set(append_fsync, "always");
    Ok(if synced {
        Durability::Synced
    } else {
        Durability::Memory
    })
}

/// Whether the answer to `CONFIG GET` shows `wanted`; a server that keeps it secret shows nothing.
fn is_set(answer: RedisResult<Value>, wanted: &str) -> bool {
    let pair = answer
        .ok()
        .and_then(|answer| redis::from_redis_value::<Vec<String>>(answer).ok());
    pair.is_some_and(|pair| pair.get(1).is_some_and(|value| value == wanted))
}
