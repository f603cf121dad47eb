//! The outcome of an append, from the reply to its command.

use std::sync::Arc;

use posthorn_application::{Append, AppendError, Appended, AppendedBatch, Idempotency, StoreError};
use posthorn_domain::{Durability, MessageId, Receipt, Timestamp, Topic};
use redis::Value;

use super::command::Write;
use super::job::Written;
use crate::store::record::{self, StoredReceipt};

/// The reply to an append: whether it was stored, its id or the record of its key, and its time or nothing.
type AppendReply = (bool, String, String);

/// The parts of a receipt that a new message has of its append.
struct NewReceipt {
    topic: Topic,
    durability: Durability,
    instance: Arc<str>,
}

/// The outcome of the append that was written.
pub(crate) fn appended(written: Written) -> Result<Appended, AppendError> {
    let Written {
        write,
        reply,
        durability,
    } = written;
    let Write::Append(append, _) = write else {
        return Err(changed_write().into());
    };
    let Append {
        message,
        instance,
        idempotency,
    } = *append;
    // XADD returns the id alone.
    let reply = match reply {
        Value::Array(_) => record::from_value(reply)?,
        id => (true, record::from_value(id)?, String::new()),
    };
    let replayed = !reply.0;
    let new = NewReceipt {
        topic: message.topic,
        durability,
        instance,
    };
    Ok(Appended {
        receipt: new.complete(idempotency.as_ref(), &reply)?,
        replayed,
    })
}

/// The outcome of the append of a batch that was written.
pub(crate) fn appended_batch(written: Written) -> Result<AppendedBatch, AppendError> {
    let Written {
        write,
        reply,
        durability,
    } = written;
    let Write::Batch(append, _) = write else {
        return Err(changed_write().into());
    };
    let reply: AppendReply = record::from_value(reply)?;
    let replayed = !reply.0;
    let new = NewReceipt {
        topic: append.topic,
        durability,
        instance: append.instance,
    };
    Ok(AppendedBatch {
        first: new.complete(append.idempotency.as_ref(), &reply)?,
        count: append.batch.len(),
        replayed,
    })
}

/// The error of a write that came back as another; it never does.
fn changed_write() -> StoreError {
    record::corrupt("an append became another write".to_owned())
}

impl NewReceipt {
    /// The receipt in the reply to an append: of the new message, or of the first append with its key.
    fn complete(
        self,
        idempotency: Option<&Idempotency>,
        (stored, text, at): &AppendReply,
    ) -> Result<Receipt, AppendError> {
        let Self {
            topic,
            durability,
            instance,
        } = self;
        if let (Some(idempotency), false) = (idempotency, *stored) {
            let first = first_receipt(text, idempotency)?;
            return Ok(Receipt {
                id: first.id,
                topic,
                durability: first.durability,
                instance: Arc::from(first.instance),
                processed_at: first.processed_at,
            });
        }
        let (id, processed_at) = stored_as(text, at)?;
        Ok(Receipt {
            id,
            topic,
            durability,
            instance,
            processed_at,
        })
    }
}

/// The id and the time of a new message.
fn stored_as(id: &str, at: &str) -> Result<(MessageId, Timestamp), StoreError> {
    let id = record::parse_id(id)?;
    if at.is_empty() {
        return Ok((id, id.timestamp()));
    }
    Ok((id, record::parse_millis(at)?))
}

/// The first receipt of a key, unless it was used for something else.
fn first_receipt<'a>(
    text: &'a str,
    idempotency: &Idempotency,
) -> Result<StoredReceipt<'a>, AppendError> {
    let first = record::parse_receipt(text)?;
    if first.fingerprint == record::hex(&idempotency.fingerprint) {
        Ok(first)
    } else {
        Err(AppendError::KeyReused)
    }
}
