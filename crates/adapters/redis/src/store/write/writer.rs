//! The task that writes to one node: it sends everything that waits as one pipeline.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use posthorn_application::wake_together;
use posthorn_domain::{Durability, Topic};
use redis::{Pipeline, RedisResult, Value};
use tokio::sync::mpsc;

use super::command::pipeline_length;
use super::durability::{self, SettingsQuery, add_check, durability, reached};
use super::job::{WriteError, WriteJob, Written};
use super::joined::JoinedJobs;
use super::replication::{self, Mark, Replication};
use crate::cluster::connection::{CallError, ConnectionLease, ManagedConnection};
use crate::failure::{Redirect, RedisFailure};
use crate::keys;
use crate::store::fence::{MAX_FENCED, fence_command};
use crate::store::scripts::ScriptCall;
use crate::store::settings::RedisStoreSettings;

/// The most writes in one pipeline.
const MAX_PIPELINE: usize = 256;

/// The state of the task.
pub(crate) struct WriterTask {
    connection: ManagedConnection,
    settings: RedisStoreSettings,
    bound: Duration,
    /// The durability of the server, and the generation of the connection over which it was checked.
    checked: Option<(u64, Durability)>,
    /// How the settings of that server are queried.
    query: SettingsQuery,
    /// The generation of a connection, and the topics that were fenced over it.
    fenced: (u64, HashSet<Topic>),
    replication: Replication,
}

/// The replies to one pipeline.
struct Replies {
    writes: Vec<RedisResult<Value>>,
    durability: Durability,
    shortfall: Option<Shortfall>,
    generation: u64,
}

/// The reason why the writes did not reach the required durability.
struct Shortfall {
    failure: RedisFailure,
    /// True if the server may be a demoted primary: even its reads are outdated, and a message that it
    /// hands out may be acknowledged elsewhere.
    is_demoted: bool,
}

/// The rejections in one pipeline.
#[derive(Default)]
struct Rejections {
    /// The jobs whose script the server does not have.
    no_script: Vec<WriteJob>,
    /// True if the server is not the owner of some slot.
    wrong_node: bool,
}

/// Drops the writes whose callers have dropped their receivers: they got an error and may have retried.
fn drop_abandoned(jobs: &mut Vec<WriteJob>) {
    jobs.retain(|job| !job.reply.is_closed());
}

impl WriterTask {
    /// A task that writes over `connection`.
    pub(crate) fn new(connection: ManagedConnection, settings: &RedisStoreSettings) -> Self {
        Self {
            connection,
            bound: settings.write_bound(),
            replication: Replication::new(settings),
            settings: settings.clone(),
            checked: None,
            query: SettingsQuery::Each,
            fenced: (0, HashSet::new()),
        }
    }

    /// Writes until every sender is dropped and the queue is empty.
    pub(crate) async fn run(mut self, mut jobs: mpsc::Receiver<WriteJob>) {
        let mut batch = Vec::with_capacity(MAX_PIPELINE);
        while jobs.recv_many(&mut batch, MAX_PIPELINE).await > 0 {
            drop_abandoned(&mut batch);
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
    async fn write(&mut self, mut jobs: Vec<WriteJob>, call: ScriptCall) -> Vec<WriteJob> {
        if jobs.is_empty() {
            return jobs;
        }
        // Step 1: a live connection to a server of the required durability. The second attempt is for
        // a connection that broke unnoticed; nothing was written over it yet.
        let ready = match self.ready().await {
            Ok(ready) => Ok(ready),
            Err(_) => self.ready().await,
        };
        // Step 2: callers may have given up while this waited for the connection.
        drop_abandoned(&mut jobs);
        if jobs.is_empty() {
            return jobs;
        }
        let sent = match ready {
            Ok(ready) => self.send(&jobs, call, ready).await,
            Err(failure) => Err(failure),
        };
        match sent {
            Ok(replies) => {
                let generation = replies.generation;
                let mut rejections = Rejections::default();
                wake_together(|| rejections = send_outcomes(jobs, replies));
                if rejections.wrong_node {
                    // A demoted primary keeps its connections open; a new one leads to its successor.
                    self.connection.discard(generation).await;
                }
                rejections.no_script
            }
            Err(failure) => {
                wake_together(|| {
                    for job in jobs {
                        // An error means that the caller has dropped its receiver.
                        let _ = job.reply.send(Err(WriteError::Failed(failure.clone())));
                    }
                });
                Vec::new()
            }
        }
    }

    /// Sends one pipeline and checks the durability of its writes.
    async fn send(
        &mut self,
        jobs: &[WriteJob],
        call: ScriptCall,
        (mut lease, durability): (ConnectionLease, Durability),
    ) -> Result<Replies, RedisFailure> {
        // Step 1: one round trip. It is never repeated: a lost connection does not reveal whether the
        // server executed the appends.
        let unfenced = self.unfenced(jobs, lease.generation);
        let joined = JoinedJobs::new(jobs);
        let is_replicated = durability == Durability::Replicated;
        let mark = is_replicated.then(|| self.mark(jobs)).flatten();
        let is_marked = mark.is_some();
        let pipeline = self.pipeline(&unfenced, jobs, &joined, durability, call, mark);
        let replies = self.connection.call(&mut lease, &pipeline, self.bound);
        let mut fences: Vec<RedisResult<Value>> = replies.await.map_err(CallError::into_failure)?;

        // Step 2: split the replies in the order of the pipeline: fences, writes, checks.
        let mut writes = fences.split_off(unfenced.len().min(fences.len()));
        let after = writes.split_off(joined.len().min(writes.len()));
        let writes = joined.split(jobs, writes);
        self.remember_fenced(unfenced, fences);

        let generation = lease.generation;
        let (durability, shortfall) = self.check(&mut lease, durability, after, is_marked).await;
        Ok(Replies {
            writes,
            durability,
            shortfall,
            generation,
        })
    }

    /// Checks the durability after the writes; before them it proves nothing: replicas can disconnect, and
    /// `CONFIG SET` can disable the sync. Returns it, and the reason if it is less than the required one.
    async fn check(
        &mut self,
        lease: &mut ConnectionLease,
        durability: Durability,
        mut replies: Vec<RedisResult<Value>>,
        is_marked: bool,
    ) -> (Durability, Option<Shortfall>) {
        // Step 1: the settings of the server, whose replies are the last ones.
        let mut waits = Vec::new();
        if durability == Durability::Replicated {
            let count = replication::REPLIES + usize::from(is_marked);
            let settings = replies.split_off(count.min(replies.len()));
            waits = std::mem::replace(&mut replies, settings);
        }
        let reached = reached(&replies, durability);
        if reached.durability != durability {
            // The next write checks the server anew, and so finds also that it reaches more.
            self.checked = None;
            if self.settings.durability == Durability::Memory {
                let durability = reached.durability.as_str();
                tracing::warn!(durability, "the durability that Redis reaches changed");
            }
        }
        let mut shortfall = reached.shortfall(&self.settings);

        // Step 2: the acknowledgements of the replicas.
        if durability == Durability::Replicated && shortfall.is_none() {
            let waited = self.replication.wait(&self.connection, lease, waits);
            shortfall = waited.await.err();
        }

        // Step 3: the server is the primary still. A fail-over loses the writes that a demoted primary
        // accepts.
        if !self.connection.is_current(lease).await {
            let text = "the primary changed during the write".to_owned();
            let shortfall = Shortfall {
                failure: RedisFailure::Transient(text),
                is_demoted: true,
            };
            return (durability.min(reached.durability), Some(shortfall));
        }

        // Step 4: no other server can become the primary that lacks the writes. After step 3, which
        // refreshed the view of the Sentinels.
        if durability == Durability::Replicated && shortfall.is_none() {
            let connector = self.connection.connector();
            shortfall = self.replication.check_candidates(connector).err();
        }
        let shortfall = shortfall.map(|failure| Shortfall {
            failure,
            is_demoted: false,
        });
        // A server that reaches more only now did not reach it for all of the writes.
        (durability.min(reached.durability), shortfall)
    }

    /// Leases the connection and returns the durability of its server, checked once per connection.
    ///
    /// # Errors
    /// Also if the durability is less than the required one.
    async fn ready(&mut self) -> Result<(ConnectionLease, Durability), RedisFailure> {
        let mut lease = self.connection.lease().await?;
        self.replication.follow(lease.primary);
        if let Some((generation, durability)) = self.checked
            && generation == lease.generation
        {
            return Ok((lease, durability));
        }
        let required = self.settings.durability;
        let found = durability(&self.connection, &mut lease, required, self.bound);
        let (reached, query) = found.await?;
        self.query = query;
        if let Some(failure) = reached.shortfall(&self.settings) {
            return Err(failure);
        }
        self.checked = Some((lease.generation, reached.durability));
        Ok((lease, reached.durability))
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

    /// The mark that `jobs` need.
    fn mark(&self, jobs: &[WriteJob]) -> Option<Mark> {
        let prefix = &self.settings.redis.prefix;
        let mark = |job: &WriteJob| {
            Some(Mark {
                key: job.write.mark(prefix)?,
                asking: job.asking,
            })
        };
        jobs.iter().find_map(mark)
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
    /// 2. writes, in the order of the queue, but for joined calls;
    /// 3. the announcement to subscribers, behind the writes that they will look for;
    /// 4. the check of `durability`, which covers everything before it.
    fn pipeline(
        &self,
        unfenced: &BTreeMap<Topic, bool>,
        jobs: &[WriteJob],
        joined: &JoinedJobs,
        durability: Durability,
        call: ScriptCall,
        mark: Option<Mark>,
    ) -> Pipeline {
        let prefix = &self.settings.redis.prefix;
        let checks = 1 + replication::REPLIES + durability::COMMANDS;
        let commands = unfenced.len() + joined.len() + 1 + checks;
        let mut pipeline = Pipeline::with_capacity(commands);
        for (topic, creates) in unfenced {
            pipeline.add_command(fence_command(prefix, topic, *creates));
        }
        for (job, command) in joined.commands(jobs, prefix, call) {
            if job.asking {
                pipeline.cmd("ASKING").ignore();
            }
            let command = command.unwrap_or_else(|| job.write.command(prefix, durability, call));
            pipeline.add_command(command);
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
        if durability == Durability::Replicated {
            self.replication.add_commands(&mut pipeline, mark);
        }
        add_check(&mut pipeline, durability, self.query);
        // An error of one command must not hide the replies to the others.
        pipeline.ignore_errors();
        pipeline
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
            (Ok(_), Some(shortfall)) if shortfall.is_demoted || write.is_durable() => {
                Err(WriteError::Failed(shortfall.failure.clone()))
            }
            (Ok(value), _) => Ok(Written {
                write,
                reply: value,
                durability,
            }),
            (Err(error), _) => match Redirect::from_error(&error) {
                Some(Redirect::NoScript) => {
                    rejections.no_script.push(WriteJob {
                        write,
                        asking,
                        reply,
                    });
                    continue;
                }
                Some(Redirect::WrongNode) => {
                    rejections.wrong_node = true;
                    let failure = RedisFailure::from_error(&error);
                    Err(WriteError::WrongNode(write, failure))
                }
                Some(Redirect::Ask(node)) => {
                    let failure = RedisFailure::from_error(&error);
                    Err(WriteError::Ask(write, node, failure))
                }
                None => Err(WriteError::Failed(RedisFailure::from_error(&error))),
            },
        };
        // An error means that the caller has dropped its receiver.
        let _ = reply.send(outcome);
    }
    rejections
}
