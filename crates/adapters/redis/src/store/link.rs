//! One connection to one node, shared, replaced when it breaks.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, Pipeline, RedisError};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::connector::{Connector, Node};
use crate::fault::{Fault, Redirect};

/// After how long a connection is asked for a pong before it is used. A connection of a server
/// that went away is thus found out before a command is lost in it.
const FRESH: Duration = Duration::from_millis(100);

/// A connection that heals. The client library's own does not come back after a restart.
pub(super) struct Link {
    connector: Arc<Connector>,
    node: Node,
    command_timeout: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: Option<(MultiplexedConnection, Instant)>,
    generation: u64,
}

/// A connection that answered a moment ago.
pub(super) struct Lease {
    connection: MultiplexedConnection,
    /// Grows with each connection that is opened.
    pub(super) generation: u64,
}

/// Why a call over a link failed.
#[derive(Debug)]
pub(super) enum CallError {
    /// The connection broke; the call may have been executed.
    Broken(Fault),
    /// The call failed otherwise; it may have been executed.
    Fault(Fault),
    /// The whole call was refused with this and not executed.
    Redirect(Redirect, Fault),
}

impl Link {
    pub(super) fn new(connector: Arc<Connector>, node: Node, command_timeout: Duration) -> Self {
        Self {
            connector,
            node,
            command_timeout,
            state: Mutex::default(),
        }
    }

    /// The connection, opened anew if need be. Waiters share one attempt at a time.
    pub(super) async fn lease(&self) -> Result<Lease, Fault> {
        let mut state = self.state.lock().await;
        if let Some((connection, checked)) = &mut state.open {
            let fresh = checked.elapsed() < FRESH;
            if fresh || self.answers(connection).await {
                if !fresh {
                    *checked = Instant::now();
                }
                let connection = connection.clone();
                return Ok(Lease {
                    connection,
                    generation: state.generation,
                });
            }
            state.open = None;
        }
        let connection = self.connector.open(&self.node).await?;
        self.connector.note_replacement();
        state.generation = state.generation.wrapping_add(1);
        state.open = Some((connection.clone(), Instant::now()));
        Ok(Lease {
            connection,
            generation: state.generation,
        })
    }

    /// The answers to `pipeline`, within `bound`; a connection that fails is not used again.
    pub(super) async fn call<T: FromRedisValue>(
        &self,
        lease: &mut Lease,
        pipeline: &Pipeline,
        bound: Duration,
    ) -> Result<T, CallError> {
        let error = match timeout(bound, pipeline.query_async(&mut lease.connection)).await {
            Ok(Ok(answers)) => return Ok(answers),
            Ok(Err(error)) if !is_broken(&error) => {
                let fault = Fault::of(&error);
                return Err(match Redirect::of(&error) {
                    Some(redirect) => CallError::Redirect(redirect, fault),
                    None => CallError::Fault(fault),
                });
            }
            Ok(Err(error)) => CallError::Broken(Fault::of(&error)),
            Err(_) => CallError::Fault(Fault::timed_out("a command")),
        };
        self.discard(lease.generation).await;
        Err(error)
    }

    /// Takes the connection of that generation out of use.
    pub(super) async fn discard(&self, generation: u64) {
        let mut state = self.state.lock().await;
        if state.generation == generation {
            state.open = None;
        }
    }

    async fn answers(&self, connection: &mut MultiplexedConnection) -> bool {
        let ping = redis::cmd("PING");
        matches!(
            timeout(self.command_timeout, ping.exec_async(connection)).await,
            Ok(Ok(()))
        )
    }
}

impl CallError {
    /// What happened, whether or not it was executed.
    pub(super) fn into_fault(self) -> Fault {
        match self {
            Self::Broken(fault) | Self::Fault(fault) | Self::Redirect(_, fault) => fault,
        }
    }
}

fn is_broken(error: &RedisError) -> bool {
    error.is_io_error() || error.is_unrecoverable_error()
}
