//! The one thread that writes: it takes whatever waits and commits it as one group.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use posthorn_application::{
    Append, AppendError, Appended, Clock, ConsumerNotifier, Pruned, RetentionPolicy, StoreError,
    TopicNotifier,
};
use posthorn_domain::{Durability, MessageId, Timestamp, TokenId, Topic};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use crate::consumer_call::ConsumerCall;
use crate::fault::store_error;
use crate::identity::{self, FileIdentity};
use crate::lock::FileLock;
use crate::open::{self, Opened};
use crate::sql::append::{Group, Memory};
use crate::sql::prune::{self, Place};
use crate::sql::revocations;

/// The most operations of one group.
const GROUP: usize = 1024;

/// What the writer is asked to do; the answer goes back through the channel, and nobody may be
/// there to take it.
pub(crate) enum Command {
    Append(Append, oneshot::Sender<Result<Appended, AppendError>>),
    Delete(Topic, MessageId, oneshot::Sender<Result<bool, StoreError>>),
    /// A call on a consumer; it holds its own reply.
    Consumer(Box<dyn ConsumerCall>),
    Prune(
        RetentionPolicy,
        usize,
        oneshot::Sender<Result<Pruned, StoreError>>,
    ),
    /// Denies a token until a moment.
    Revoke(TokenId, Timestamp, oneshot::Sender<Result<(), StoreError>>),
    /// Writes a little, to find out whether writing works.
    Probe(oneshot::Sender<Result<(), StoreError>>),
    /// Marks the file as closed in order and ends the thread.
    Close(oneshot::Sender<()>),
}

impl Command {
    /// Whether who asked has stopped waiting: told that it failed, he may have asked again.
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Append(_, reply) => reply.is_closed(),
            Self::Delete(_, _, reply) => reply.is_closed(),
            Self::Prune(_, _, reply) => reply.is_closed(),
            Self::Revoke(_, _, reply) | Self::Probe(reply) => reply.is_closed(),
            Self::Consumer(call) => call.is_abandoned(),
            Self::Close(_) => false,
        }
    }
}

/// What an operation came to, held back until its group is committed.
enum Outcome {
    Append(Result<Appended, AppendError>),
    Delete(bool),
    Prune(Pruned),
    /// The call holds its own outcome.
    Consumer,
    Done,
}

/// Wakes those that wait for what the writer commits.
#[derive(Clone, Default)]
pub(crate) struct Notifiers {
    pub(crate) topics: Arc<TopicNotifier>,
    pub(crate) consumers: Arc<ConsumerNotifier>,
}

/// The writing thread's state.
pub(crate) struct Writer {
    connection: Connection,
    identity: FileIdentity,
    durability: Durability,
    clock: Arc<dyn Clock>,
    notifiers: Notifiers,
    memory: Memory,
    place: Place,
    failing: Arc<AtomicBool>,
    /// Released last.
    _lock: FileLock,
}

impl Writer {
    /// Takes over the connection; `failing` says from now on whether the last write failed.
    pub(crate) fn new(
        opened: Opened,
        durability: Durability,
        clock: Arc<dyn Clock>,
        notifiers: Notifiers,
        failing: Arc<AtomicBool>,
    ) -> rusqlite::Result<Self> {
        let Opened {
            connection,
            identity,
            lock,
            path: _,
        } = opened;
        let memory = Memory::load(&connection)?;
        let place = Place::default();
        Ok(Self {
            connection,
            identity,
            durability,
            clock,
            notifiers,
            memory,
            place,
            failing,
            _lock: lock,
        })
    }

    /// Runs the writer on a thread of its own, until it is told to close or nobody can tell it
    /// anything any more.
    pub(crate) fn start(mut self, commands: mpsc::Receiver<Command>) -> io::Result<JoinHandle<()>> {
        std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || self.run(commands))
    }

    fn run(&mut self, mut commands: mpsc::Receiver<Command>) {
        let mut waiting = Vec::with_capacity(GROUP);
        let mut closing = None;
        while closing.is_none() && commands.blocking_recv_many(&mut waiting, GROUP) > 0 {
            let mut group = Vec::with_capacity(waiting.len());
            for command in waiting.drain(..) {
                match command {
                    Command::Close(done) => closing = Some(done),
                    command if command.is_abandoned() => {}
                    command => group.push(command),
                }
            }
            self.commit_all(group);
        }
        // What came too late finds its channel closed.
        drop(commands);
        self.notifiers.topics.close();
        self.notifiers.consumers.close();
        if let Err(error) = self.finish() {
            tracing::warn!(%error, "the store was not closed in order, the next start checks it");
        }
        if let Some(done) = closing {
            let _ = done.send(());
        }
    }

    fn finish(&self) -> rusqlite::Result<()> {
        // Another process may own what was moved away.
        self.identity.check_owned()?;
        open::mark(&self.connection, true)?;
        self.connection
            .pragma_update(None, "wal_checkpoint", "TRUNCATE")
            .or_else(|error| {
                // The pragma answers with a row, which is no failure.
                if matches!(error, rusqlite::Error::ExecuteReturnedResults) {
                    Ok(())
                } else {
                    Err(error)
                }
            })
    }

    /// Commits the operations as one group; if that fails, each by itself, so that one that cannot
    /// be done leaves the others alone.
    fn commit_all(&mut self, mut group: Vec<Command>) {
        if group.is_empty() {
            return;
        }
        match self.commit(&mut group) {
            Ok(outcomes) => self.answer(group, outcomes),
            // What was moved away may hold the group: it must not be written a second time.
            Err(error) if group.len() == 1 || identity::is_moved(&error) => {
                self.fail(group, &error);
            }
            Err(_) => {
                // The group may have waited for long.
                for command in group.into_iter().filter(|one| !one.is_abandoned()) {
                    let mut alone = vec![command];
                    match self.commit(&mut alone) {
                        Ok(outcomes) => self.answer(alone, outcomes),
                        Err(error) => self.fail(alone, &error),
                    }
                }
            }
        }
    }

    fn commit(&mut self, commands: &mut [Command]) -> rusqlite::Result<Vec<Outcome>> {
        let Self {
            connection,
            identity,
            durability,
            clock,
            memory,
            place,
            ..
        } = self;
        identity.check()?;
        let mut forget = false;
        // Dropped without a commit it rolls back.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut group = Group::new(&transaction, *durability, memory);
        let mut outcomes = Vec::with_capacity(commands.len());
        for command in commands {
            outcomes.push(match command {
                Command::Append(append, _) => Outcome::Append(group.append(append, clock.now())?),
                Command::Delete(topic, id, _) => {
                    Outcome::Delete(group.delete(topic, *id, clock.now())?)
                }
                Command::Consumer(call) => {
                    call.execute(&mut group, clock.now())?;
                    Outcome::Consumer
                }
                Command::Prune(policy, budget, _) => {
                    forget = true;
                    group.before_pruning()?;
                    let now = clock.now();
                    Outcome::Prune(prune::prune(&transaction, policy, *budget, now, place)?)
                }
                Command::Revoke(id, until, _) => {
                    revocations::add(&transaction, id, *until)?;
                    Outcome::Done
                }
                Command::Probe(_) | Command::Close(_) => {
                    open::probe(&transaction)?;
                    Outcome::Done
                }
            });
        }
        group.finish()?;
        let committed = group.into_committed();
        transaction.commit()?;
        memory.take_over(committed);
        if forget {
            memory.forget_topics();
        }
        identity.check_written()?;
        Ok(outcomes)
    }

    fn answer(&self, commands: Vec<Command>, outcomes: Vec<Outcome>) {
        if self.failing.swap(false, Ordering::AcqRel) {
            tracing::info!("the store can write again");
        }
        let stored = commands
            .iter()
            .zip(&outcomes)
            .filter_map(|(command, outcome)| match (command, outcome) {
                (Command::Append(append, _), Outcome::Append(Ok(appended)))
                    if !appended.replayed =>
                {
                    Some(append.message.topic.as_str())
                }
                _ => None,
            });
        // Before the answers, so that who sees one finds its followers woken.
        self.notifiers.topics.notify(stored.clone());
        self.notifiers.consumers.notify_topics(stored);
        for pair in commands.into_iter().zip(outcomes) {
            // Whoever asked may have gone.
            match pair {
                (Command::Append(_, reply), Outcome::Append(outcome)) => drop(reply.send(outcome)),
                (Command::Delete(_, _, reply), Outcome::Delete(was)) => drop(reply.send(Ok(was))),
                (Command::Prune(_, _, reply), Outcome::Prune(done)) => drop(reply.send(Ok(done))),
                (Command::Consumer(call), _) => call.reply(&self.notifiers.consumers),
                (Command::Revoke(_, _, reply) | Command::Probe(reply), Outcome::Done) => {
                    drop(reply.send(Ok(())));
                }
                _ => {}
            }
        }
    }

    fn fail(&self, commands: Vec<Command>, error: &rusqlite::Error) {
        if !self.failing.swap(true, Ordering::AcqRel) {
            tracing::error!(%error, "the store cannot write");
        }
        let error = store_error(error);
        for command in commands {
            match command {
                Command::Append(_, reply) => drop(reply.send(Err(error.clone().into()))),
                Command::Delete(_, _, reply) => drop(reply.send(Err(error.clone()))),
                Command::Prune(_, _, reply) => drop(reply.send(Err(error.clone()))),
                Command::Consumer(call) => call.fail(error.clone()),
                Command::Revoke(_, _, reply) | Command::Probe(reply) => {
                    drop(reply.send(Err(error.clone())));
                }
                Command::Close(_) => {}
            }
        }
    }
}
