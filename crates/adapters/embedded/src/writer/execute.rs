//! One command in the transaction of its group.

use posthorn_application::Pruned;
use rusqlite::Connection;

use super::command::{Command, CommandOutcome};
use crate::sql::prune::{self, BatchTimes, PruneCursor};
use crate::sql::write_batch::WriteBatch;
use crate::sql::{self, deletion, revocations};

/// Executes one command in the open transaction.
pub(super) fn execute(
    command: &mut Command,
    batch: &mut WriteBatch<'_>,
    times: &BatchTimes,
    cursor: &mut PruneCursor,
) -> rusqlite::Result<CommandOutcome> {
    Ok(match command {
        Command::Append(append, _) => CommandOutcome::Append(batch.append(append, times.bounds())?),
        Command::AppendBatch(append, _) => {
            CommandOutcome::AppendBatch(batch.append_batch(append, times.bounds())?)
        }
        Command::Delete(topic, id, _) => {
            CommandOutcome::Delete(deletion::delete(batch, topic, *id, times.now)?)
        }
        Command::DeleteBefore(topic, before, limit, _) => {
            let deletion = deletion::delete_before(batch, topic, *before, *limit, times.now)?;
            CommandOutcome::DeleteBefore(deletion)
        }
        Command::Consumer(call) => {
            call.execute(batch, times.now)?;
            CommandOutcome::Consumer
        }
        Command::Prune(policy, budget, _) => {
            batch.before_pruning()?;
            let pruned = prune::prune(batch.connection(), policy, *budget, times, cursor)?;
            let newest = sql::id(batch.last()).timestamp();
            CommandOutcome::Prune(Pruned {
                id_lead: newest.saturating_since(times.now),
                ..pruned
            })
        }
        Command::Revoke(id, until, _) => {
            revocations::insert(batch.connection(), id, *until)?;
            CommandOutcome::Done
        }
        Command::Probe(_) | Command::Close(_) => {
            probe(batch.connection())?;
            CommandOutcome::Done
        }
    })
}

/// Writes a page without changing its content: an update to the same value would write nothing. Before that it does what
/// an append does, and rolls it back: in a damaged file not every page can be written. The text needs pages of its own,
/// which a full file does not have.
fn probe(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "SAVEPOINT probe;
         INSERT INTO topics (name) VALUES ('');
         INSERT INTO messages (topic_id, ms, seq, content) VALUES (last_insert_rowid(), 0, 0, hex(zeroblob(8192)));
         INSERT INTO idempotency_keys (topic_id, key, fingerprint, ms, seq, durability, pod, expires_ms)
             VALUES (last_insert_rowid(), '', x'', 0, 0, '', '', 0);
         ROLLBACK TO probe;
         RELEASE probe;",
    )?;
    connection.execute("INSERT INTO counters VALUES ('probe', 0)", [])?;
    let delete = "DELETE FROM counters WHERE name = 'probe'";
    connection.execute(delete, []).map(drop)
}
