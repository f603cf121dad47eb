//! A shared connection to one node that is replaced when it breaks.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, RedisError};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::call_span::CallFailure;
use crate::deployment::connector::{Connector, Node};
use crate::failure::{Redirect, RedisFailure};
use crate::request::Request;

/// The age of the last check from which a connection is pinged before its next use. A dead
/// connection is thus found before a command is sent into it, whose fate would be unknown.
const PING_AFTER: Duration = Duration::from_millis(100);

/// A shared connection to one node. A `MultiplexedConnection` of redis-rs does not recover from a
/// restart of its server; this one opens another.
pub(crate) struct ManagedConnection {
    connector: Arc<Connector>,
    node: Node,
    command_timeout: Duration,
    state: Mutex<ConnectionState>,
}

#[derive(Default)]
struct ConnectionState {
    /// The connection and the time of its last check.
    open: Option<(MultiplexedConnection, Instant)>,
    generation: u64,
    /// The [`Connector::primary_version`] at which the connection was opened.
    primary: u64,
}

/// A connection that was checked within [`PING_AFTER`].
pub(crate) struct ConnectionLease {
    connection: MultiplexedConnection,
    /// The number of connections opened up to this one.
    pub(crate) generation: u64,
    /// The [`Connector::primary_version`] at which the connection was opened.
    pub(crate) primary: u64,
}

/// The failure of a call.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The connection broke; the server may have executed the call.
    Broken(RedisFailure),
    /// The call failed otherwise; the server may have executed it.
    Failed(RedisFailure),
    /// The server rejected the whole call without executing it.
    Redirect(Redirect, RedisFailure),
}

impl ManagedConnection {
    /// A connection to `node`, which opens with the first lease.
    pub(crate) fn new(connector: Arc<Connector>, node: Node, command_timeout: Duration) -> Self {
        Self {
            connector,
            node,
            command_timeout,
            state: Mutex::default(),
        }
    }

    /// Leases the connection, opening a new one if the old one is broken. Concurrent callers share
    /// one attempt.
    pub(crate) async fn lease(&self) -> Result<ConnectionLease, RedisFailure> {
        let primary = self.connector.primary_version().await?;
        let mut state = self.state.lock().await;
        // A demoted primary keeps its connections open, and accepts writes that will be lost.
        if state.primary < primary {
            state.open = None;
        }
        if let Some((connection, checked)) = &mut state.open {
            let fresh = checked.elapsed() < PING_AFTER;
            if fresh || self.replies(connection).await {
                if !fresh {
                    *checked = Instant::now();
                }
                let connection = connection.clone();
                return Ok(ConnectionLease {
                    connection,
                    generation: state.generation,
                    primary: state.primary,
                });
            }
            state.open = None;
        }
        let connection = self.connector.open(&self.node).await?;
        self.connector.note_replacement();
        state.generation = state.generation.wrapping_add(1);
        state.open = Some((connection.clone(), Instant::now()));
        state.primary = primary;
        Ok(ConnectionLease {
            connection,
            generation: state.generation,
            primary,
        })
    }

    /// The connector that opens the connection.
    pub(crate) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// True if the server of the lease is the primary still, as far as the Sentinels reply.
    pub(crate) async fn is_current(&self, lease: &ConnectionLease) -> bool {
        let primary = self.connector.primary_version().await;
        primary.is_ok_and(|primary| primary == lease.primary)
    }

    /// Sends `request` and parses its reply, within `bound`. A connection that breaks or exceeds the
    /// bound is not leased again.
    pub(crate) async fn call<T: FromRedisValue + Send>(
        &self,
        lease: &mut ConnectionLease,
        request: &impl Request,
        bound: Duration,
    ) -> Result<T, CallError> {
        let error = match timeout(bound, request.send(&mut lease.connection)).await {
            Ok(Ok(reply)) => return Ok(reply),
            Ok(Err(error)) if !is_broken(&error) => {
                let failure = RedisFailure::from_error(&error);
                return Err(match Redirect::from_error(&error) {
                    Some(redirect) => CallError::Redirect(redirect, failure),
                    None => CallError::Failed(failure),
                });
            }
            Ok(Err(error)) => CallError::Broken(RedisFailure::from_error(&error)),
            Err(_) => CallError::Failed(RedisFailure::timed_out("a command")),
        };
        self.discard(lease.generation).await;
        Err(error)
    }

    /// Drops the connection unless it is already replaced by one of a later generation.
    pub(crate) async fn discard(&self, generation: u64) {
        let mut state = self.state.lock().await;
        if state.generation == generation {
            state.open = None;
        }
    }

    async fn replies(&self, connection: &mut MultiplexedConnection) -> bool {
        let ping = redis::cmd("PING");
        matches!(
            timeout(self.command_timeout, ping.exec_async(connection)).await,
            Ok(Ok(()))
        )
    }
}

impl CallError {
    /// The failure, whether or not the call was executed.
    pub(crate) fn into_failure(self) -> RedisFailure {
        match self {
            Self::Broken(failure) | Self::Failed(failure) | Self::Redirect(_, failure) => failure,
        }
    }
}

impl CallFailure for CallError {
    fn failure(&self) -> &RedisFailure {
        match self {
            Self::Broken(failure) | Self::Failed(failure) | Self::Redirect(_, failure) => failure,
        }
    }
}

fn is_broken(error: &RedisError) -> bool {
    error.is_io_error() || error.is_unrecoverable_error()
}
