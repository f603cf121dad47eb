//! Calls to the owner of a slot, over one shared connection per node.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::try_join_all;
use redis::{Cmd, FromRedisValue, Pipeline, RedisResult, Value};
use tokio::time::timeout;

use super::connection::{CallError, ManagedConnection};
use super::directory::SlotDirectory;
use crate::call_span::{call_span, in_span};
use crate::deployment::connector::{Connector, Node};
use crate::failure::{Redirect, RedisFailure};
use crate::mutex::lock;
use crate::request::{Asking, Request};

/// The number of attempts of a call whose slot moves meanwhile.
pub(crate) const ATTEMPTS: usize = 3;
/// The most nodes to which connections are kept; the largest cluster that Redis recommends has 1000.
pub(crate) const MAX_NODES: usize = 1024;
/// The most commands in one pipeline.
const MAX_PIPELINE: usize = 128;

/// The shared connections of everything but the write pipelines.
pub(crate) struct Sessions {
    connector: Arc<Connector>,
    directory: Arc<SlotDirectory>,
    connections: Mutex<HashMap<Node, Arc<ManagedConnection>>>,
    command_timeout: Duration,
    bound: Duration,
}

impl Sessions {
    /// `bound` is the time limit of a call with its retries and new connections.
    pub(crate) fn new(
        connector: Arc<Connector>,
        directory: Arc<SlotDirectory>,
        command_timeout: Duration,
        bound: Duration,
    ) -> Self {
        Self {
            connector,
            directory,
            connections: Mutex::default(),
            command_timeout,
            bound,
        }
    }

    /// Closes each connection after the calls that use it.
    pub(crate) fn close(&self) {
        lock(&self.connections).clear();
    }

    /// Sends `request`, whose keys are all in `slot`. It must be idempotent: it is sent again when a
    /// connection breaks or the slot moves.
    pub(crate) async fn query<T: FromRedisValue + Send>(
        &self,
        slot: u16,
        request: &impl Request,
    ) -> Result<T, RedisFailure> {
        timeout(self.bound, self.attempt(slot, request).boxed())
            .await
            .unwrap_or_else(|_| Err(RedisFailure::timed_out("an operation")))
    }

    async fn attempt<T: FromRedisValue + Send>(
        &self,
        slot: u16,
        request: &impl Request,
    ) -> Result<T, RedisFailure> {
        let mut last = RedisFailure::Transient("the slot keeps moving".to_owned());
        let mut importing = None;
        for _ in 0..ATTEMPTS {
            let called = match importing.take() {
                Some(node) => self.call(&node, &Asking(request)).await,
                None => self.call(&self.directory.node(slot).await?, request).await,
            };
            match called {
                Ok(reply) => return Ok(reply),
                Err(CallError::Redirect(Redirect::Ask(node), failure)) => {
                    (importing, last) = (Some(Node::Address(node)), failure);
                }
                // After a restart of the server the next attempt opens another connection.
                Err(CallError::Redirect(_, failure) | CallError::Broken(failure)) => last = failure,
                Err(CallError::Failed(failure)) => return Err(failure),
            }
        }
        Err(last)
    }

    /// The reply to each of `commands`, in their order. The commands of one node share pipelines.
    pub(crate) async fn each(
        &self,
        commands: &[(u16, Cmd)],
    ) -> Result<Vec<RedisResult<Value>>, RedisFailure> {
        let mut by_node: BTreeMap<Node, Vec<(usize, &Cmd)>> = BTreeMap::new();
        for (index, (slot, command)) in commands.iter().enumerate() {
            by_node
                .entry(self.directory.node(*slot).await?)
                .or_default()
                .push((index, command));
        }
        let calls = by_node
            .iter()
            .map(|(node, commands)| self.each_of(node, commands));
        let mut replies: Vec<_> = try_join_all(calls).await?.into_iter().flatten().collect();
        replies.sort_by_key(|(index, _)| *index);
        let moved = |(_, reply): &(usize, RedisResult<Value>)| {
            reply.as_ref().err().and_then(Redirect::from_error) == Some(Redirect::WrongNode)
        };
        if replies.iter().any(moved) {
            self.directory.invalidate().await;
        }
        Ok(replies.into_iter().map(|(_, reply)| reply).collect())
    }

    async fn each_of(
        &self,
        node: &Node,
        commands: &[(usize, &Cmd)],
    ) -> Result<Vec<(usize, RedisResult<Value>)>, RedisFailure> {
        let mut replies = Vec::with_capacity(commands.len());
        for chunk in commands.chunks(MAX_PIPELINE) {
            let mut pipeline = Pipeline::with_capacity(chunk.len());
            for (_, command) in chunk {
                pipeline.add_command((*command).clone());
            }
            pipeline.ignore_errors();
            let call = self.call::<Vec<RedisResult<Value>>>(node, &pipeline);
            let chunk_replies = timeout(self.bound, call)
                .await
                .map_err(|_| RedisFailure::timed_out("an operation"))?
                .map_err(CallError::into_failure)?;
            replies.extend(chunk.iter().map(|(index, _)| *index).zip(chunk_replies));
        }
        Ok(replies)
    }

    async fn call<T: FromRedisValue + Send>(
        &self,
        node: &Node,
        request: &impl Request,
    ) -> Result<T, CallError> {
        let span = call_span(|| request.operation(), || self.connector.called(node));
        in_span(span, self.send(node, request)).await
    }

    async fn send<T: FromRedisValue + Send>(
        &self,
        node: &Node,
        request: &impl Request,
    ) -> Result<T, CallError> {
        let connection = self.connection(node);
        let mut lease = match connection.lease().await {
            Ok(lease) => lease,
            Err(failure) => {
                self.directory.invalidate_if_stale().await;
                return Err(CallError::Failed(failure));
            }
        };
        let outcome = connection
            .call(&mut lease, request, self.command_timeout)
            .await;
        if let Err(CallError::Redirect(Redirect::WrongNode, _)) = &outcome {
            // A demoted primary keeps its connections open; a new one leads to its successor.
            connection.discard(lease.generation).await;
            self.directory.invalidate().await;
        }
        outcome
    }

    fn connection(&self, node: &Node) -> Arc<ManagedConnection> {
        let mut connections = lock(&self.connections);
        if connections.len() > MAX_NODES {
            connections.clear();
        }
        let connection = connections.entry(node.clone()).or_insert_with(|| {
            let connector = Arc::clone(&self.connector);
            Arc::new(ManagedConnection::new(
                connector,
                node.clone(),
                self.command_timeout,
            ))
        });
        Arc::clone(connection)
    }
}
