//! Calls to whichever node owns a slot, over one shared connection per node.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::try_join_all;
use redis::{Cmd, FromRedisValue, Pipeline, RedisResult, Value};
use tokio::time::timeout;

use super::directory::Directory;
use super::link::{CallError, Link};
use crate::connector::{Connector, Node};
use crate::fault::{Fault, Redirect};

/// How often a call follows a slot that moved.
pub(super) const ATTEMPTS: usize = 3;
/// How many commands share a pipeline.
const PIPELINE: usize = 128;
/// More nodes than this are not remembered; the largest cluster that Redis recommends has 1000.
const MAX_NODES: usize = 1024;

/// Everything but appends goes through here.
pub(super) struct Session {
    connector: Arc<Connector>,
    directory: Arc<Directory>,
    links: Mutex<HashMap<Node, Arc<Link>>>,
    command_timeout: Duration,
    bound: Duration,
}

impl Session {
    /// `bound` is the most time that one call may take, opening a connection included.
    pub(super) fn new(
        connector: Arc<Connector>,
        directory: Arc<Directory>,
        command_timeout: Duration,
        bound: Duration,
    ) -> Self {
        Self {
            connector,
            directory,
            links: Mutex::default(),
            command_timeout,
            bound,
        }
    }

    /// Closes the connections once nothing uses them any more.
    pub(super) fn close(&self) {
        self.links
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// The answers to `pipeline`, whose keys are all in `slot`, and which may be executed twice.
    pub(super) async fn query<T: FromRedisValue + Send>(
        &self,
        slot: u16,
        pipeline: &Pipeline,
    ) -> Result<T, Fault> {
        self.bounded(slot, pipeline, true).await
    }

    /// As [`Session::query`], for what may be executed once only.
    pub(super) async fn query_once<T: FromRedisValue + Send>(
        &self,
        slot: u16,
        pipeline: &Pipeline,
    ) -> Result<T, Fault> {
        self.bounded(slot, pipeline, false).await
    }

    async fn bounded<T: FromRedisValue + Send>(
        &self,
        slot: u16,
        pipeline: &Pipeline,
        repeatable: bool,
    ) -> Result<T, Fault> {
        timeout(self.bound, self.attempt(slot, pipeline, repeatable).boxed())
            .await
            .unwrap_or_else(|_| Err(Fault::timed_out("an operation")))
    }

    async fn attempt<T: FromRedisValue + Send>(
        &self,
        slot: u16,
        pipeline: &Pipeline,
        repeatable: bool,
    ) -> Result<T, Fault> {
        let mut refused = Fault::Transient("the slot keeps moving".to_owned());
        for _ in 0..ATTEMPTS {
            let node = self.directory.node(slot).await?;
            match self.call(&node, pipeline).await {
                Ok(answers) => return Ok(answers),
                Err(CallError::Redirect(_, fault)) => refused = fault,
                // A server that went away and came back: its connection is replaced.
                Err(CallError::Broken(fault)) if repeatable => refused = fault,
                Err(error) => return Err(error.into_fault()),
            }
        }
        Err(refused)
    }

    /// The answer to each of `commands`, in their order; commands of one node share pipelines.
    pub(super) async fn each(
        &self,
        commands: &[(u16, Cmd)],
    ) -> Result<Vec<RedisResult<Value>>, Fault> {
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
        let mut answers: Vec<_> = try_join_all(calls).await?.into_iter().flatten().collect();
        answers.sort_by_key(|(index, _)| *index);
        let moved = |(_, answer): &(usize, RedisResult<Value>)| {
            answer.as_ref().err().and_then(Redirect::of) == Some(Redirect::Elsewhere)
        };
        if answers.iter().any(moved) {
            self.directory.forget().await;
        }
        Ok(answers.into_iter().map(|(_, answer)| answer).collect())
    }

    async fn each_of(
        &self,
        node: &Node,
        commands: &[(usize, &Cmd)],
    ) -> Result<Vec<(usize, RedisResult<Value>)>, Fault> {
        let mut answers = Vec::with_capacity(commands.len());
        for chunk in commands.chunks(PIPELINE) {
            let mut pipeline = Pipeline::with_capacity(chunk.len());
            for (_, command) in chunk {
                pipeline.add_command((*command).clone());
            }
            pipeline.ignore_errors();
            let call = timeout(
                self.bound,
                self.call::<Vec<RedisResult<Value>>>(node, &pipeline),
            );
            let chunk_answers = match call.await {
                Ok(Ok(answers)) => answers,
                Ok(Err(error)) => return Err(error.into_fault()),
                Err(_) => return Err(Fault::timed_out("an operation")),
            };
            answers.extend(chunk.iter().map(|(index, _)| *index).zip(chunk_answers));
        }
        Ok(answers)
    }

    async fn call<T: FromRedisValue>(
        &self,
        node: &Node,
        pipeline: &Pipeline,
    ) -> Result<T, CallError> {
        let link = self.link(node);
        let mut lease = match link.lease().await {
            Ok(lease) => lease,
            Err(fault) => {
                self.directory.doubt().await;
                return Err(CallError::Fault(fault));
            }
        };
        let outcome = link.call(&mut lease, pipeline, self.command_timeout).await;
        if let Err(CallError::Redirect(Redirect::Elsewhere, _)) = &outcome {
            // A demoted primary keeps its connections; the next one leads to its successor.
            link.discard(lease.generation).await;
            self.directory.forget().await;
        }
        outcome
    }

    fn link(&self, node: &Node) -> Arc<Link> {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        if links.len() > MAX_NODES {
            links.clear();
        }
        let link = links.entry(node.clone()).or_insert_with(|| {
            Arc::new(Link::new(
                Arc::clone(&self.connector),
                node.clone(),
                self.command_timeout,
            ))
        });
        Arc::clone(link)
    }
}
