//! The acknowledgements of replicas that each write with [`Durability::Replicated`] waits for.
//!
//! `docs/decisions/0014-every-candidate-acknowledges.md` has the argument.
//!
//! [`Durability::Replicated`]: posthorn_domain::Durability::Replicated

use redis::{Pipeline, RedisResult, Value};
use tokio::time::Instant;

use super::replicas::{ReplicaQuorum, connected_replicas, without_connected};
use crate::cluster::connection::{CallError, ConnectionLease, ManagedConnection};
use crate::cluster::slots::NodeAddress;
use crate::deployment::connector::Connector;
use crate::failure::RedisFailure;
use crate::store::settings::RedisStoreSettings;

/// The number of replies to the commands that [`Replication::add_commands`] adds; with a mark there is one more, before them.
pub(crate) const REPLIES: usize = 2;
/// Writes a mark. After a command that can write, a script may continue to write although the memory is full: a deletion
/// and an acknowledgement are possible then, too.
const MARK: &str = "redis.call('DEL', KEYS[1]) redis.call('SET', KEYS[1], 1, 'PX', ARGV[1])";
/// The lifetime of a mark, in milliseconds.
const MARK_TTL: u32 = 1_000;

/// A write of a pipeline whose other writes may change nothing, because another connection made their change and got a
/// failure. `WAIT` waits for writes of its own connection only, so it needs one that comes after that change.
pub(crate) struct Mark {
    pub(crate) key: String,
    /// True if the slot of the key is open for import.
    pub(crate) asking: bool,
}

/// The replicas of the primary that a task writes to.
pub(crate) struct Replication {
    settings: RedisStoreSettings,
    quorum: ReplicaQuorum,
    /// The version of the primary; see [`Connector::primary_version`].
    primary: u64,
    /// The replicas in the last reply to `ROLE`.
    connected: Vec<NodeAddress>,
    /// The addresses of the candidates that did not follow the primary at the last check.
    missing: Vec<NodeAddress>,
}

impl Replication {
    /// Nothing is known of the replicas yet.
    pub(crate) fn new(settings: &RedisStoreSettings) -> Self {
        Self {
            quorum: ReplicaQuorum::new(u64::from(settings.replicas())),
            settings: settings.clone(),
            primary: 0,
            connected: Vec::new(),
            missing: Vec::new(),
        }
    }

    /// Forgets the replicas if the primary of this version is another one.
    pub(crate) fn follow(&mut self, primary: u64) {
        if self.primary != primary {
            self.primary = primary;
            self.quorum.reset();
        }
    }

    /// Adds the commands whose replies [`Self::wait`] takes.
    pub(crate) fn add_commands(&self, pipeline: &mut Pipeline, mark: Option<Mark>) {
        if let Some(mark) = mark {
            if mark.asking {
                pipeline.cmd("ASKING").ignore();
            }
            let write = pipeline.cmd("EVAL").arg(MARK).arg(1);
            write.arg(mark.key).arg(MARK_TTL);
        }
        pipeline.add_command(self.settings.wait_command(self.quorum.required()));
        pipeline.cmd("ROLE");
    }

    /// Checks the replies to the mark, `WAIT` and `ROLE`, and waits for replicas that connected meanwhile.
    ///
    /// # Errors
    /// If the mark was not written, fewer replicas than required acknowledged in time, or the server is not a primary.
    pub(crate) async fn wait(
        &mut self,
        connection: &ManagedConnection,
        lease: &mut ConnectionLease,
        replies: Vec<RedisResult<Value>>,
    ) -> Result<(), RedisFailure> {
        let mut replies = replies.into_iter();
        let read = |reply: Option<RedisResult<Value>>| {
            let reply = reply.unwrap_or(Ok(Value::Nil));
            reply.map_err(|error| RedisFailure::from_error(&error))
        };
        let (role, acknowledged) = (read(replies.next_back())?, read(replies.next_back())?);
        read(replies.next())?;
        let mut acknowledged: u64 = redis::from_redis_value(acknowledged)
            .map_err(|error| RedisFailure::from_error(&error.into()))?;
        self.connected = connected_replicas(&role).ok_or_else(|| {
            RedisFailure::Transient("the server is not a primary any more".to_owned())
        })?;
        let waited_for = self.quorum.required();
        let connector = connection.connector();
        if connector.fails_over() {
            let connected = u64::try_from(self.connected.len()).unwrap_or(u64::MAX);
            self.quorum
                .observe(connected, connector.is_confirmed(), Instant::now());
        }
        let required = self.quorum.required();
        if required > waited_for {
            let wait = self.settings.wait_command(required);
            let call = connection.call(lease, &wait, self.settings.write_bound());
            acknowledged = call.await.map_err(CallError::into_failure)?;
        }
        if acknowledged < required {
            return Err(RedisFailure::Transient(format!(
                "{acknowledged} of {required} replicas acknowledged in time"
            )));
        }
        Ok(())
    }

    /// Checks, after [`Self::wait`], that every server that a Sentinel could promote was among the
    /// replicas. Needs a view of the Sentinels from after the write.
    ///
    /// # Errors
    /// If one was not: its promotion would lose the write.
    pub(crate) fn check_candidates(&mut self, connector: &Connector) -> Result<(), RedisFailure> {
        let missing = without_connected(connector.candidates(), &self.connected);
        let missing: Vec<_> = missing
            .into_iter()
            .map(|candidate| candidate.address)
            .collect();
        if missing != self.missing {
            if missing.is_empty() {
                tracing::info!("all servers that can be promoted follow the primary");
            } else {
                tracing::warn!(
                    servers = ?missing,
                    "servers that can be promoted do not follow the primary: writes are rejected"
                );
            }
            self.missing = missing;
        }
        match self.missing.first() {
            None => Ok(()),
            Some(NodeAddress { host, port }) => Err(RedisFailure::Transient(format!(
                "{host}:{port} can be promoted and does not follow the primary"
            ))),
        }
    }
}
