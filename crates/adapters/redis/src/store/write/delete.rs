//! The deletion of a message by a client.

use posthorn_application::StoreError;
use posthorn_domain::{MessageId, Topic};
use redis::{Pipeline, Value};

use crate::cluster::sessions::Sessions;
use crate::keys;
use crate::store::fence::fence_command;
use crate::store::record;
use crate::store::scripts::{DELETE, ScriptCall};

/// Removes the message `id` of `topic`; false if the topic did not hold it.
pub(crate) async fn delete(
    sessions: &Sessions,
    prefix: &str,
    topic: &Topic,
    id: MessageId,
) -> Result<bool, StoreError> {
    let mut pipeline = Pipeline::with_capacity(2);
    // Without the fence, a torn transaction before the deletion could undo it at the next restart.
    pipeline.add_command(fence_command(prefix, topic, false));
    let mut command = DELETE.topic_command(ScriptCall::Eval, prefix, topic);
    command.arg(record::padded_id(id));
    pipeline.add_command(command);
    // Not sent twice: a second execution would reply that the topic did not hold the message.
    let (_, removed): (Value, bool) = sessions
        .query_once(keys::topic_slot(topic), &pipeline)
        .await?;
    Ok(removed)
}
