//! The group commit: one thread executes all waiting commands in one transaction, so that one
//! `fsync` serves many callers.

pub(crate) mod command;
mod execute;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use posthorn_application::{Clock, GuardedClock, wake_together};
use posthorn_domain::Durability;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::mpsc;

use crate::error::{corrupt, store_error};
use crate::file::identity::{self, FileIdentity};
use crate::file::lock::FileLock;
use crate::file::reserve::Reserve;
use crate::notifiers::Notifiers;
use crate::open::{self, OpenedFile};
use crate::sql::prune::{BatchTimes, PruneCursor};
use crate::sql::write_batch::WriteBatch;
use crate::sql::writer_cache::WriterCache;
use crate::sql::{health, seen_time};
use command::{Command, CommandOutcome};
use execute::execute;

/// The most commands of one transaction.
const MAX_BATCH: usize = 1024;
/// The most rows, about, of one transaction: batches of messages must not make the others wait long.
const MAX_ROWS: usize = 4096;

/// The most pages that SQLite lets a file have.
const MAX_PAGES: i64 = 0xffff_fffe;

/// The state of the writing thread.
pub(crate) struct StoreWriter {
    connection: Connection,
    identity: FileIdentity,
    durability: Durability,
    clock: Arc<dyn Clock>,
    guarded: Arc<GuardedClock>,
    notifiers: Notifiers,
    cache: WriterCache,
    cursor: PruneCursor,
    /// The longest TTL of a key so far.
    key_ttl: Option<Duration>,
    failing: Arc<AtomicBool>,
    reserve: Reserve,
    is_damaged: bool,
    /// True if commits sync.
    syncs: bool,
    /// The last field: released after the connection is closed.
    _lock: FileLock,
}

impl StoreWriter {
    /// A writer over the opened file. `failing` is true while the last transaction failed.
    pub(crate) fn new(
        opened: OpenedFile,
        durability: Durability,
        (clock, guarded): (Arc<dyn Clock>, Arc<GuardedClock>),
        notifiers: Notifiers,
        failing: Arc<AtomicBool>,
    ) -> rusqlite::Result<Self> {
        let OpenedFile {
            connection,
            identity,
            lock,
            reserve,
            path: _,
            index: _,
            can_write: _,
            max_topics,
        } = opened;
        Ok(Self {
            cache: WriterCache::load(&connection, max_topics)?,
            cursor: PruneCursor::default(),
            connection,
            identity,
            durability,
            clock,
            guarded,
            key_ttl: None,
            notifiers,
            failing,
            reserve,
            is_damaged: false,
            syncs: true,
            _lock: lock,
        })
    }

    /// Starts the thread. It ends after [`Command::Close`], or when all senders are dropped.
    pub(crate) fn start(mut self, commands: mpsc::Receiver<Command>) -> io::Result<JoinHandle<()>> {
        std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || self.run(commands))
    }

    fn run(&mut self, mut commands: mpsc::Receiver<Command>) {
        let mut received = Vec::with_capacity(MAX_BATCH);
        let mut closing = None;
        // Take all waiting commands at once: they queued up during the last commit.
        while closing.is_none() && commands.blocking_recv_many(&mut received, MAX_BATCH) > 0 {
            let mut batch = Vec::with_capacity(received.len());
            let mut rows = 0;
            for command in received.drain(..) {
                match command {
                    Command::Close(done) => closing = Some(done),
                    command if command.is_abandoned() => {}
                    command => {
                        rows += command.weight();
                        batch.push(command);
                        if rows >= MAX_ROWS {
                            self.execute(std::mem::take(&mut batch));
                            rows = 0;
                        }
                    }
                }
            }
            self.execute(batch);
        }
        // Later commands fail with a closed channel, and subscribers wake up to see that.
        drop(commands);
        self.notifiers.close();
        if let Err(error) = self.close() {
            tracing::warn!(%error, "the store was not closed in order, the next start checks it");
        }
        if let Some(done) = closing {
            let _ = done.send(());
        }
    }

    fn close(&mut self) -> rusqlite::Result<()> {
        self.set_sync(true)?;
        // A checkpoint copies into the database what the index says that the log has: of a log that was truncated that would
        // destroy what is whole. So damaged files stay as a kill leaves them, and the next start checks them.
        if self.is_damaged || self.identity.is_log_truncated() {
            let no_checkpoint = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
            self.connection.set_db_config(no_checkpoint, true)?;
            let reason = "damage was found, the files are left as they are";
            return Err(corrupt(reason.to_owned()));
        }
        // A file that was moved away may belong to another process.
        self.identity.check_owned()?;
        seen_time::save(&self.connection, self.guarded.trusted())?;
        open::mark_clean(&self.connection, true)?;
        let truncate = self
            .connection
            .pragma_update(None, "wal_checkpoint", "TRUNCATE");
        match truncate {
            // The pragma returns a row, which is no failure.
            Err(rusqlite::Error::ExecuteReturnedResults) => Ok(()),
            outcome => outcome,
        }
    }

    /// Commits the commands, first those that need no sync: their callers do not wait for that of the others.
    fn execute(&mut self, batch: Vec<Command>) {
        let (durable, volatile) = batch.into_iter().partition(Command::is_durable);
        self.execute_together(volatile);
        self.execute_together(durable);
    }

    /// Commits the commands in one transaction. If that fails, commits each in its own, so that a
    /// failing command does not fail the others. One that only reads is not committed then: it must succeed
    /// on a full disk, too.
    fn execute_together(&mut self, mut batch: Vec<Command>) {
        if batch.is_empty() {
            return;
        }
        match self.commit(&mut batch) {
            Ok(committed) => self.succeed(batch, committed),
            // A file that was moved away may contain the batch: a retry could store it twice.
            Err(error)
                if identity::is_moved(&error)
                    || (batch.len() == 1 && !batch.iter().all(Command::is_read)) =>
            {
                self.fail(batch, &error);
            }
            Err(_) => {
                // The first transaction may have taken long: check again for abandoned commands.
                for command in batch.into_iter().filter(|command| !command.is_abandoned()) {
                    let mut single = vec![command];
                    let outcome = if single.iter().all(Command::is_read) {
                        self.read(&mut single)
                    } else {
                        self.commit(&mut single)
                    };
                    match outcome {
                        Ok(committed) => self.succeed(single, committed),
                        Err(error) => self.fail(single, &error),
                    }
                }
            }
        }
    }

    /// Executes the commands in one transaction and commits it. Returns true with the outcomes if it changed anything.
    fn commit(
        &mut self,
        commands: &mut [Command],
    ) -> rusqlite::Result<(Vec<CommandOutcome>, bool)> {
        self.set_sync(commands.iter().any(Command::is_durable))?;
        let Self {
            connection,
            identity,
            durability,
            clock,
            guarded,
            cache,
            cursor,
            key_ttl,
            ..
        } = self;
        // 1. The paths still name the open files, and these are whole. Otherwise nothing written would be found again.
        check_files(identity)?;
        // 2. Begin, with the write lock. An early return drops the transaction and rolls back.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let before = transaction.total_changes();
        // 3. Execute in order. The outcomes are held back: none is true before the commit.
        let mut batch = WriteBatch::new(&transaction, *durability, cache);
        let mut outcomes = Vec::with_capacity(commands.len());
        let trusted = guarded.trusted();
        for command in commands {
            *key_ttl = command.key_ttl().max(*key_ttl);
            let times = BatchTimes {
                now: clock.now(),
                trusted,
                key_ttl: *key_ttl,
            };
            outcomes.push(execute(command, &mut batch, &times, cursor)?);
        }
        // 4. Write the counters and counts once for the whole batch.
        let committed = batch.finish()?;
        let has_written = transaction.total_changes() > before;
        // 5. Commit, with one sync.
        transaction.commit()?;
        // 6. Update the cache after the commit only: a rollback leaves it as it was.
        cache.apply(committed);
        // 7. The paths still name the files that hold the batch. If not, it must not be acknowledged.
        identity.check_written()?;
        Ok((outcomes, has_written))
    }

    /// Has the next commits sync, or not. One that does syncs everything before it, too.
    fn set_sync(&mut self, syncs: bool) -> rusqlite::Result<()> {
        if self.durability > Durability::Memory && self.syncs != syncs {
            let level = if syncs { "FULL" } else { "NORMAL" };
            self.connection.pragma_update(None, "synchronous", level)?;
            self.syncs = syncs;
        }
        Ok(())
    }

    /// Executes commands that only read, and rolls back the end of the leases that have expired. The next call ends
    /// them again.
    fn read(&mut self, commands: &mut [Command]) -> rusqlite::Result<(Vec<CommandOutcome>, bool)> {
        let limit = self
            .connection
            .pragma_query_value(None, "max_page_count", |row| row.get(0))?;
        // A cache that is full of changed pages would be written to the log before the rollback, and nothing is
        // kept of what goes above the limit of the file.
        let lifted = self
            .set_spill(false)
            .and_then(|()| self.limit_pages(MAX_PAGES));
        let outcomes = lifted.and_then(|()| self.execute_and_roll_back(commands));
        // Both are restored, whatever failed: later transactions are committed with them.
        let limited = self.limit_pages(limit);
        self.set_spill(true)?;
        limited?;
        Ok((outcomes?, false))
    }

    /// Permits changed pages to be written to the log before the commit.
    fn set_spill(&self, on: bool) -> rusqlite::Result<()> {
        self.connection.pragma_update(None, "cache_spill", on)
    }

    /// Sets the most pages of the file.
    fn limit_pages(&self, pages: i64) -> rusqlite::Result<()> {
        let set = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
        self.connection
            .pragma_update_and_check(None, "max_page_count", pages, set)
            .map(drop)
    }

    fn execute_and_roll_back(
        &mut self,
        commands: &mut [Command],
    ) -> rusqlite::Result<Vec<CommandOutcome>> {
        check_files(&self.identity)?;
        let behavior = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behavior)?;
        let mut batch = WriteBatch::new(&transaction, self.durability, &self.cache);
        let times = BatchTimes {
            now: self.clock.now(),
            trusted: self.guarded.trusted(),
            key_ttl: self.key_ttl,
        };
        let outcomes = commands
            .iter_mut()
            .map(|command| execute(command, &mut batch, &times, &mut self.cursor))
            .collect::<rusqlite::Result<_>>()?;
        drop(batch);
        transaction.rollback()?;
        Ok(outcomes)
    }

    fn succeed(
        &self,
        commands: Vec<Command>,
        (outcomes, has_written): (Vec<CommandOutcome>, bool),
    ) {
        // A transaction without a change succeeds on a full disk, too.
        if has_written && self.failing.swap(false, Ordering::AcqRel) {
            tracing::info!("the store can write again");
            // There may be space again. Without it the next start may fail, and nothing else.
            if let Err(error) = self.reserve.fill() {
                tracing::debug!(%error, "the reserve of space is not complete");
            }
        }
        // Wake subscribers before the replies: after a receipt, its message is being delivered.
        let pairs = commands.iter().zip(&outcomes);
        let topics = pairs.filter_map(|(command, outcome)| command.appended_topic(outcome));
        self.notifiers.topics.notify(topics.clone());
        self.notifiers.consumers.notify_topics(topics);
        wake_together(|| {
            for (command, outcome) in commands.into_iter().zip(outcomes) {
                command.succeed(outcome, &self.notifiers);
            }
        });
    }

    fn fail(&mut self, commands: Vec<Command>, error: &rusqlite::Error) {
        let code = error.sqlite_error_code();
        self.is_damaged |= matches!(
            code,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        );
        // A damaged record says nothing about other writes.
        let is_of_record = matches!(error, rusqlite::Error::FromSqlConversionFailure(..));
        if !is_of_record && !self.failing.swap(true, Ordering::AcqRel) {
            tracing::error!(%error, "the store cannot write");
        }
        let error = store_error(error);
        for command in commands {
            command.fail(error.clone());
        }
    }
}

/// Checks before a transaction that the files are those that were opened, and whole.
fn check_files(identity: &FileIdentity) -> rusqlite::Result<()> {
    match identity.check()? {
        Some(path) => health::check(&open::read_only(path)?, path),
        None => Ok(()),
    }
}
