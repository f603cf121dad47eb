//! One call on one consumer, from its row and back.

use posthorn_application::{ConsumerError, Precondition};
use posthorn_domain::{ConsumerKey, Timestamp};

use super::row::{CallContext, ConsumerRow, millis};
use crate::sql::write_batch::WriteBatch;

/// Runs `operation` on the consumer `key` after its expired leases were ended. What it changes of the row is
/// written at the end of the batch.
pub(crate) fn with_consumer<T>(
    batch: &mut WriteBatch<'_>,
    key: &ConsumerKey,
    now: Timestamp,
    operation: impl FnOnce(&mut Call<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Result<T, ConsumerError>> {
    let Some(topic_id) = batch.find_topic(&key.topic)? else {
        return Ok(Err(ConsumerError::NotFound));
    };
    let step = CallContext {
        connection: batch.connection(),
        topic_id,
        now: millis(now),
    };
    let Some(mut open) = batch.consumers().take(step, key)? else {
        return Ok(Err(ConsumerError::NotFound));
    };
    // First, so that the operation sees the consumer as it is at this moment.
    open.expire(step)?;
    let mut call = Call {
        key,
        step,
        held: batch.message_count(topic_id)?,
        newest: batch.last(),
        consumer: &mut open.row,
    };
    // A failure rolls the whole batch back.
    let outcome = operation(&mut call)?;
    batch.consumers().put_back(key, open);
    Ok(Ok(outcome))
}

/// One call on one consumer.
pub(crate) struct Call<'a> {
    pub(super) key: &'a ConsumerKey,
    pub(super) step: CallContext<'a>,
    /// The number of messages that the topic holds.
    pub(super) held: i64,
    /// The newest id that the store has given.
    pub(super) newest: (i64, i64),
    pub(super) consumer: &'a mut ConsumerRow,
}

impl Call<'_> {
    /// Whether `precondition` holds for the present settings.
    pub(super) fn meets(&self, precondition: &Precondition) -> bool {
        precondition.holds(Some(self.consumer.tag))
    }
}
