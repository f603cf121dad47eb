//! The fence against a torn append-only file: its command, and the topics that readers have fenced.

use std::collections::HashMap;
use std::sync::Mutex;

use posthorn_domain::Topic;
use redis::{Cmd, Value};

use super::record;
use super::scripts::{FENCE, ScriptCall};
use crate::cluster::sessions::Sessions;
use crate::failure::RedisFailure;
use crate::keys;
use crate::mutex::lock;

/// The most topics to remember as fenced, ten times the default of `MAX_TOPICS`. Fencing one again changes nothing, but
/// takes Redis ten times as long as an append.
pub(super) const MAX_FENCED: usize = 100_000;

/// The command that fences `topic`; it returns false if there is nothing to fence. `creates` fences
/// also a topic that does not exist yet.
pub(super) fn fence_command(prefix: &str, topic: &Topic, creates: bool) -> Cmd {
    // By its text: if the pipeline behind it had to be repeated, its writes would be executed twice.
    let mut command = FENCE.topic_command(ScriptCall::Eval, prefix, topic);
    command
        .arg(keys::idempotency_prefix(prefix, topic))
        .arg(record::KEY)
        .arg(u8::from(creates));
    command
}

/// The topics that readers have fenced, each with the number of connections opened by then: a server
/// can have restarted only if a connection was opened since.
#[derive(Default)]
pub(super) struct FencedTopics(Mutex<HashMap<Topic, u64>>);

impl FencedTopics {
    /// Fences `topic` unless that was done since the last of `replacements` connections was opened.
    ///
    /// A failure is only logged: reading is better than not reading while a server rejects writes.
    pub(super) async fn fence(
        &self,
        sessions: &Sessions,
        prefix: &str,
        topic: &Topic,
        replacements: u64,
    ) {
        if lock(&self.0).get(topic) == Some(&replacements) {
            return;
        }
        let command = fence_command(prefix, topic, false);
        let fenced: Result<Value, RedisFailure> =
            sessions.query(keys::topic_slot(topic), &command).await;
        match fenced {
            Ok(_) => {
                let mut fenced = lock(&self.0);
                if fenced.len() >= MAX_FENCED {
                    fenced.clear();
                }
                fenced.insert(topic.clone(), replacements);
            }
            Err(failure) => {
                let error = failure.into_message();
                tracing::debug!(%topic, error, "cannot fence the topic");
            }
        }
    }
}
