//! The task that writes to one node: it sends everything that waits as one pipeline.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use posthorn_domain::{Durability, Topic};
use redis::{Pipeline, RedisResult, Value};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::command::{Write, pipeline_length};
use super::durability::{SYNCED_SETTINGS, add_synced_check, durability, is_synced};
use super::replicas::{ReplicaQuorum, connected_replicas};
use crate::cluster::connection::{CallError, ConnectionLease, ManagedConnection};
use crate::cluster::slots::NodeAddress;
use crate::failure::{Redirect, RedisFailure, ask_target};
use crate::keys;
use crate::store::fence::{MAX_FENCED, fence_command};
use crate::store::scripts::ScriptCall;
use crate::store::settings::RedisStoreSettings;

/// The most writes in one pipeline.
const MAX_PIPELINE: usize = 256;

/// A write and the channel of its outcome.
pub(crate) struct WriteJob {
    pub(crate) write: Write,
    /// True if the node is importing the slot, so the command needs `ASKING`.
    pub(crate) asking: bool,
    pub(crate) reply: oneshot::Sender<Result<Written, WriteError>>,
}

/// A write that reached the required durability.
pub(crate) struct Written {
    pub(crate) write: Write,
    pub(crate) reply: Value,
    pub(crate) durability: Durability,
}

/// The failure of a write.
pub(crate) enum WriteError {
    /// The server may have executed the write.
    Failed(RedisFailure),
    /// The write was not executed; another node owns the slot.
    WrongNode(Write, RedisFailure),
    /// The write was not executed; this node is importing the slot.
    Ask(Write, NodeAddress, RedisFailure),
}

/// The state of the task.
pub(crate) struct WriterTask {
    connection: ManagedConnection,
    settings: RedisStoreSettings,
    bound: Duration,
    /// The durability of the server, and the generation of the connection over which it was checked.
    checked: Option<(u64, Durability)>,
    /// The generation of a connection, and the topics that were fenced over it.
    fenced: (u64, HashSet<Topic>),
    /// The replicas of the primary of that version.
    replicas: (u64, ReplicaQuorum),
}

/// The replies to one pipeline.
struct Replies {
    writes: Vec<RedisResult<Value>>,
    durability: Durability,
    /// The reason why the writes did not reach the required durability.
    shortfall: Option<RedisFailure>,
    generation: u64,
}

/// The rejections in one pipeline.
#[derive(Default)]
struct Rejections {
    /// The jobs whose script the server does not have.
    no_script: Vec<WriteJob>,
    /// True if the server is not the owner of some slot.
    wrong_node: bool,
}

impl WriterTask {
    /// A task that writes over `connection`.
    pub(crate) fn new(connection: ManagedConnection, settings: &RedisStoreSettings) -> Self {
        Self {
            connection,
            bound: settings.write_bound(),
            replicas: (0, ReplicaQuorum::new(u64::from(settings.replicas()))),
            settings: settings.clone(),
            checked: None,
            fenced: (0, HashSet::new()),
        }
    }

    /// Writes until every sender is dropped and the queue is empty.
    pub(crate) async fn run(mut self, mut jobs: mpsc::Receiver<WriteJob>) {
        let mut batch = Vec::with_capacity(MAX_PIPELINE);
        while jobs.recv_many(&mut batch, MAX_PIPELINE).await > 0 {
            // A caller that dropped its receiver was told of a failure: its write is not due any more.
            batch.retain(|job| !job.reply.is_closed());
            while !batch.is_empty() {
                let rest = batch.split_off(pipeline_length(batch.iter().map(|job| &job.write)));
                let no_script = self.write(batch, ScriptCall::EvalSha).await;
                self.write(no_script, ScriptCall::Eval).await;
                batch = rest;
            }
        }
    }

    /// Writes `jobs` and sends their outcomes. Returns the jobs whose script the server does not
    /// have.
    async fn write(&mut self, jobs: Vec<WriteJob>, call: ScriptCall) -> Vec<WriteJob> {
        if jobs.is_empty() {
            return jobs;
        }
        match self.send(&jobs, call).await {
            Ok(replies) => {
                let generation = replies.generation;
                let rejections = send_outcomes(jobs, replies);
                if rejections.wrong_node {
                    // A demoted primary keeps its connections open; a new one leads to its successor.
                    self.connection.discard(generation).await;
                }
                rejections.no_script
            }
            Err(failure) => {
                for job in jobs {
                    // An error means that the caller has dropped its receiver.
                    let _ = job.reply.send(Err(WriteError::Failed(failure.clone())));
                }
                Vec::new()
            }
        }
    }

    /// Sends one pipeline and checks the durability of its writes.
    async fn send(&mut self, jobs: &[WriteJob], call: ScriptCall) -> Result<Replies, RedisFailure> {
        // Step 1: a live connection to a server of the required durability. The second attempt is for
        // a connection that broke unnoticed; nothing was written over it yet.
        let (mut lease, durability) = match self.ready().await {
            Ok(ready) => ready,
            Err(_) => self.ready().await?,
        };

        // Step 2: one round trip. It is never repeated: a lost connection does not reveal whether the
        // server executed the appends.
        let unfenced = self.unfenced(jobs, lease.generation);
        let pipeline = self.pipeline(&unfenced, jobs, durability, call);
        let replies = self.connection.call(&mut lease, &pipeline, self.bound);
        let mut fences: Vec<RedisResult<Value>> = replies.await.map_err(CallError::into_failure)?;

        // Step 3: split the replies in the order of the pipeline: fences, writes, durability.
        let mut writes = fences.split_off(unfenced.len().min(fences.len()));
        let after = writes.split_off(jobs.len().min(writes.len()));
        self.remember_fenced(unfenced, fences);

        // Step 4: check the durability after the writes. Before them it proves nothing: replicas can
        // disconnect, and `CONFIG SET` can disable the sync.
        let mut replies = Replies {
            writes,
            durability,
            shortfall: None,
            generation: lease.generation,
        };
        match durability {
            Durability::Replicated => {
                replies.shortfall = self.await_replicas(&mut lease, after).await.err();
            }
            Durability::Synced if !is_synced(&after) => {
                self.checked = None;
                replies.durability = Durability::Memory;
                replies.shortfall = self.insufficient(replies.durability);
            }
            Durability::Synced | Durability::Memory => {}
        }

        // Step 5: check that the server is the primary still. A fail-over loses the writes that a demoted
        // primary accepts.
        if !self.connection.is_current(&lease).await {
            let text = "the primary changed during the write".to_owned();
            replies.shortfall = Some(RedisFailure::Transient(text));
        }
        Ok(replies)
    }

    /// Leases the connection and returns the durability of its server, checked once per connection.
    ///
    /// # Errors
    /// Also if the durability is less than the required one.
    async fn ready(&mut self) -> Result<(ConnectionLease, Durability), RedisFailure> {
        let mut lease = self.connection.lease().await?;
        if self.replicas.0 != lease.primary {
            self.replicas.0 = lease.primary;
            self.replicas.1.reset();
        }
        if let Some((generation, durability)) = self.checked
            && generation == lease.generation
        {
            return Ok((lease, durability));
        }
        let required = self.settings.durability;
        let durability = durability(&self.connection, &mut lease, required, self.bound).await?;
        if let Some(failure) = self.insufficient(durability) {
            return Err(failure);
        }
        self.checked = Some((lease.generation, durability));
        Ok((lease, durability))
    }

    /// The failure if `durability` is less than the required one.
    fn insufficient(&self, durability: Durability) -> Option<RedisFailure> {
        (durability < self.settings.durability).then(|| {
            RedisFailure::Transient(format!("Redis reaches the durability {durability} only"))
        })
    }

    /// The topics of `jobs` that were not fenced over the connection of this generation, each with
    /// true if a job can create it.
    fn unfenced(&mut self, jobs: &[WriteJob], generation: u64) -> BTreeMap<Topic, bool> {
        if self.fenced.0 != generation || self.fenced.1.len() >= MAX_FENCED {
            self.fenced = (generation, HashSet::new());
        }
        let mut topics = BTreeMap::new();
        // A node that is importing the slot does not have all keys of the topic yet.
        let jobs = jobs.iter().filter(|job| !job.asking);
        for (topic, creates) in jobs.filter_map(|job| job.write.fenced_topic()) {
            if !self.fenced.1.contains(topic) {
                *topics.entry(topic.clone()).or_default() |= creates;
            }
        }
        topics
    }

    fn remember_fenced(&mut self, topics: BTreeMap<Topic, bool>, replies: Vec<RedisResult<Value>>) {
        for (topic, reply) in topics.into_keys().zip(replies) {
            match reply {
                // There is nothing to fence yet.
                Ok(Value::Int(0)) => {}
                Ok(_) => {
                    self.fenced.1.insert(topic);
                }
                // The writes to the topic fail for the same reason; the next one fences it again.
                Err(error) => tracing::debug!(%topic, %error, "cannot fence the topic"),
            }
        }
    }

    /// The pipeline, in this order:
    /// 1. fences: a torn transaction must be closed before anything that is acknowledged;
    /// 2. writes, in the order of the queue;
    /// 3. the announcement to subscribers, behind the writes that they will look for;
    /// 4. the check of `durability`, which covers everything before it.
    fn pipeline(
        &self,
        unfenced: &BTreeMap<Topic, bool>,
        jobs: &[WriteJob],
        durability: Durability,
        call: ScriptCall,
    ) -> Pipeline {
        let prefix = &self.settings.redis.prefix;
        let commands = unfenced.len() + jobs.len() + 1 + SYNCED_SETTINGS.len();
        let mut pipeline = Pipeline::with_capacity(commands);
        for (topic, creates) in unfenced {
            pipeline.add_command(fence_command(prefix, topic, *creates));
        }
        for job in jobs {
            if job.asking {
                pipeline.cmd("ASKING").ignore();
            }
            pipeline.add_command(job.write.command(prefix, durability, call));
        }
        let mut topics: Vec<_> = jobs
            .iter()
            .filter_map(|job| job.write.announced_topic().map(Topic::as_str))
            .collect();
        topics.sort_unstable();
        topics.dedup();
        if !topics.is_empty() {
            let announcement = pipeline.cmd("PUBLISH").arg(keys::wake(prefix));
            announcement.arg(topics.join("\n")).ignore();
        }
        match durability {
            Durability::Replicated => {
                let required = self.replicas.1.required();
                pipeline.add_command(self.settings.wait_command(required));
                pipeline.cmd("ROLE");
            }
            Durability::Synced => add_synced_check(&mut pipeline),
            Durability::Memory => {}
        }
        // An error of one command must not hide the replies to the others.
        pipeline.ignore_errors();
        pipeline
    }

    /// Checks the replies to `WAIT` and `ROLE`, and waits for replicas that connected meanwhile.
    ///
    /// # Errors
    /// If fewer replicas than required acknowledged in time, or the server is not a primary.
    async fn await_replicas(
        &mut self,
        lease: &mut ConnectionLease,
        replies: Vec<RedisResult<Value>>,
    ) -> Result<(), RedisFailure> {
        let mut replies = replies.into_iter();
        let mut next = || {
            let reply = replies.next().unwrap_or(Ok(Value::Nil));
            reply.map_err(|error| RedisFailure::from_error(&error))
        };
        let (acknowledged, role) = (next()?, next()?);
        let mut acknowledged: u64 = redis::from_redis_value(acknowledged)
            .map_err(|error| RedisFailure::from_error(&error.into()))?;
        let connected = connected_replicas(&role).ok_or_else(|| {
            RedisFailure::Transient("the server is not a primary any more".to_owned())
        })?;
        let waited_for = self.replicas.1.required();
        let connector = self.connection.connector();
        if connector.fails_over() {
            let is_confirmed = connector.is_confirmed();
            self.replicas
                .1
                .observe(connected, is_confirmed, Instant::now());
        }
        let required = self.replicas.1.required();
        if required > waited_for {
            let wait = self.settings.wait_command(required);
            let call = self.connection.call(lease, &wait, self.bound);
            acknowledged = call.await.map_err(CallError::into_failure)?;
        }
        if acknowledged < required {
            return Err(RedisFailure::Transient(format!(
                "{acknowledged} of {required} replicas acknowledged in time"
            )));
        }
        Ok(())
    }
}

/// Sends each caller its outcome, except for jobs whose script the server does not have.
fn send_outcomes(jobs: Vec<WriteJob>, replies: Replies) -> Rejections {
    let Replies {
        writes,
        durability,
        shortfall,
        ..
    } = replies;
    let mut rejections = Rejections::default();
    for (job, result) in jobs.into_iter().zip(writes) {
        let WriteJob {
            write,
            asking,
            reply,
        } = job;
        let outcome = match (result, &shortfall) {
            (Ok(_), Some(failure)) if write.is_durable() => {
                Err(WriteError::Failed(failure.clone()))
            }
            (Ok(value), _) => Ok(Written {
                write,
                reply: value,
                durability,
            }),
            (Err(error), _) => match (Redirect::from_error(&error), ask_target(&error)) {
                (Some(Redirect::NoScript), _) => {
                    rejections.no_script.push(WriteJob {
                        write,
                        asking,
                        reply,
                    });
                    continue;
                }
                (Some(Redirect::WrongNode), _) => {
                    rejections.wrong_node = true;
                    let failure = RedisFailure::from_error(&error);
                    Err(WriteError::WrongNode(write, failure))
                }
                (_, Some(node)) => {
                    let failure = RedisFailure::from_error(&error);
                    Err(WriteError::Ask(write, node, failure))
                }
                (_, None) => Err(WriteError::Failed(RedisFailure::from_error(&error))),
            },
        };
        // An error means that the caller has dropped its receiver.
        let _ = reply.send(outcome);
    }
    rejections
}
