//! The task that writes to one node: whatever is waiting goes out as one pipeline.

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::Append;
use posthorn_domain::{Durability, Topic};
use redis::{Cmd, Pipeline, RedisResult, Value};
use tokio::sync::{mpsc, oneshot};

use super::link::{CallError, Lease, Link};
use super::scripts::APPEND_ONCE;
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
    /// Nothing; the way of a write is tried.
    Ping,
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
    prefix: Arc<str>,
    /// What every append has to reach.
    required: Durability,
    min_replicas: u16,
    replication_timeout: Duration,
    bound: Duration,
    /// The connection that was prepared, and what it guarantees.
    prepared: Option<(u64, Durability)>,
}

/// The state of one pipeline.
struct Sent {
    answers: Vec<RedisResult<Value>>,
    durability: Durability,
    /// Why the replicas' acknowledgement is missing, if it is wanted.
    short_of_replicas: Option<Fault>,
}

impl Writer {
    pub(super) fn new(link: Link, settings: &RedisStoreSettings) -> Self {
        Self {
            link,
            prefix: Arc::from(settings.redis.prefix.as_str()),
            required: settings.durability,
            min_replicas: settings.min_replicas,
            replication_timeout: settings.replication_timeout,
            bound: settings.write_bound(),
            prepared: None,
        }
    }

    /// Writes until every sender is gone and the queue is empty.
    pub(super) async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut batch = Vec::with_capacity(PIPELINE);
        while jobs.recv_many(&mut batch, PIPELINE).await > 0 {
            // Whoever stopped waiting was told that it failed; it would only cost the others time.
            batch.retain(|job| !job.reply.is_closed());
            let again = self.write(std::mem::take(&mut batch)).await;
            if !again.is_empty() {
                // The server had forgotten the script; writing again loads it first.
                for job in self.write(again).await {
                    fail(
                        job,
                        Fault::Transient("the server forgets the script".to_owned()),
                    );
                }
            }
        }
    }

    /// Writes `jobs` and answers them, but for those that need the script loaded again.
    async fn write(&mut self, jobs: Vec<Job>) -> Vec<Job> {
        if jobs.is_empty() {
            return jobs;
        }
        match self.send(&jobs).await {
            Ok(sent) => self.answer(jobs, sent),
            Err(fault) => {
                for job in jobs {
                    fail(job, fault.clone());
                }
                Vec::new()
            }
        }
    }

    async fn send(&mut self, jobs: &[Job]) -> Result<Sent, Fault> {
        let (mut lease, durability) = match self.ready().await {
            Ok(ready) => ready,
            // The connection broke since it was last tried, before anything was written to it.
            Err(_) => self.ready().await?,
        };
        let pipeline = self.pipeline(jobs, durability);
        let answers = self.link.call(&mut lease, &pipeline, self.bound);
        let mut answers: Vec<RedisResult<Value>> = answers.await.map_err(CallError::into_fault)?;
        let waits = self.required == Durability::Replicated;
        let acknowledged = if waits { answers.pop() } else { None };
        let short_of_replicas = acknowledged.and_then(|answer| self.shortage(answer));
        Ok(Sent {
            answers,
            durability,
            short_of_replicas,
        })
    }

    /// A connection whose server knows the script, and the durability of what it stores, which is
    /// the required one at least.
    async fn ready(&mut self) -> Result<(Lease, Durability), Fault> {
        let mut lease = self.link.lease().await?;
        if let Some((generation, durability)) = self.prepared
            && generation == lease.generation
        {
            return Ok((lease, durability));
        }
        let durability = prepare(&self.link, &mut lease, self.required, self.bound).await?;
        if durability < self.required {
            let text = format!("Redis reaches the durability {durability} only");
            return Err(Fault::Transient(text));
        }
        self.prepared = Some((lease.generation, durability));
        Ok((lease, durability))
    }

    /// The jobs' commands, the announcement, and the wait for replicas.
    fn pipeline(&self, jobs: &[Job], durability: Durability) -> Pipeline {
        let mut pipeline = Pipeline::with_capacity(jobs.len() + 2);
        let mut topics: Vec<&Topic> = Vec::with_capacity(jobs.len());
        for job in jobs {
            match &job.work {
                Work::Append(append) => {
                    pipeline.add_command(record::append_command(&self.prefix, append, durability));
                    topics.push(&append.message.topic);
                }
                Work::Ping => {
                    pipeline.add_command(redis::cmd("PING"));
                }
            }
        }
        topics.sort_unstable();
        topics.dedup();
        if !topics.is_empty() {
            let names: Vec<_> = topics.into_iter().map(Topic::as_str).collect();
            pipeline
                .cmd("PUBLISH")
                .arg(keys::wake(&self.prefix))
                .arg(names.join("\n"))
                .ignore();
        }
        if self.required == Durability::Replicated {
            pipeline.add_command(self.wait_command());
        }
        pipeline.ignore_errors();
        pipeline
    }

    fn wait_command(&self) -> Cmd {
        let mut command = redis::cmd("WAIT");
        command
            .arg(self.min_replicas)
            .arg(self.replication_timeout.as_millis().max(1).to_string());
        command
    }

    fn shortage(&self, answer: RedisResult<Value>) -> Option<Fault> {
        match answer.and_then(|answer| Ok(redis::from_redis_value::<u64>(answer)?)) {
            Ok(replicas) if replicas >= u64::from(self.min_replicas) => None,
            Ok(replicas) => Some(Fault::Transient(format!(
                "{replicas} of {} replicas acknowledged in time",
                self.min_replicas
            ))),
            Err(error) => Some(Fault::of(&error)),
        }
    }

    fn answer(&mut self, jobs: Vec<Job>, sent: Sent) -> Vec<Job> {
        let Sent {
            answers,
            durability,
            short_of_replicas,
        } = sent;
        let mut again = Vec::new();
        for (job, answer) in jobs.into_iter().zip(answers) {
            let outcome = match (answer, &short_of_replicas) {
                (Ok(_), Some(fault)) => Err(WriteError::Fault(fault.clone())),
                (Ok(answer), None) => Ok(Written {
                    work: job.work,
                    answer,
                    durability,
                }),
                (Err(error), _) => match Redirect::of(&error) {
                    Some(Redirect::NoScript) => {
                        self.prepared = None;
                        again.push(job);
                        continue;
                    }
                    Some(Redirect::Elsewhere) => {
                        Err(WriteError::Elsewhere(job.work, Fault::of(&error)))
                    }
                    None => Err(WriteError::Fault(Fault::of(&error))),
                },
            };
            // Nobody waits any more: nothing is left to tell.
            let _ = job.reply.send(outcome);
        }
        again
    }
}

/// Loads the script into the server, and finds out what durability its answers stand for when
/// `required` is waited for.
pub(super) async fn prepare(
    link: &Link,
    lease: &mut Lease,
    required: Durability,
    bound: Duration,
) -> Result<Durability, Fault> {
    let mut pipeline = Pipeline::with_capacity(3);
    pipeline.cmd("SCRIPT").arg("LOAD").arg(APPEND_ONCE);
    for setting in ["appendonly", "appendfsync"] {
        pipeline.cmd("CONFIG").arg("GET").arg(setting);
    }
    pipeline.ignore_errors();
    let call = link.call::<[RedisResult<Value>; 3]>(lease, &pipeline, bound);
    let [loaded, append_only, append_fsync] = call.await.map_err(CallError::into_fault)?;
    loaded.map_err(|error| Fault::of(&error))?;
    if required == Durability::Replicated {
        return Ok(Durability::Replicated);
    }
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

fn fail(job: Job, fault: Fault) {
    // Nobody waits any more: nothing is left to tell.
    let _ = job.reply.send(Err(WriteError::Fault(fault)));
}
