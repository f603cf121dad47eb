//! The durability that a server reaches with each reply.

use std::time::Duration;

use posthorn_domain::Durability;
use redis::{Pipeline, RedisResult, Value};

use crate::cluster::connection::{CallError, ConnectionLease, ManagedConnection};
use crate::failure::RedisFailure;

/// The settings of a server that syncs every write to disk before its reply.
pub(crate) const SYNCED_SETTINGS: [(&str, &str); 3] = [
    ("appendonly", "yes"),
    ("appendfsync", "always"),
    ("no-appendfsync-on-rewrite", "no"),
];

/// The durability of what the server has replied to, if each write waits for `required`.
pub(crate) async fn durability(
    connection: &ManagedConnection,
    lease: &mut ConnectionLease,
    required: Durability,
    bound: Duration,
) -> Result<Durability, RedisFailure> {
    if required == Durability::Replicated {
        return Ok(Durability::Replicated);
    }
    let mut pipeline = Pipeline::with_capacity(SYNCED_SETTINGS.len());
    add_synced_check(&mut pipeline);
    pipeline.ignore_errors();
    let call = connection.call::<Vec<RedisResult<Value>>>(lease, &pipeline, bound);
    let replies = call.await.map_err(CallError::into_failure)?;
    Ok(if is_synced(&replies) {
        Durability::Synced
    } else {
        Durability::Memory
    })
}

/// Adds the commands whose replies [`is_synced`] takes. One setting per command: the server finds a
/// name without a pattern at once.
pub(crate) fn add_synced_check(pipeline: &mut Pipeline) {
    for (setting, _) in SYNCED_SETTINGS {
        pipeline.cmd("CONFIG").arg("GET").arg(setting);
    }
}

/// True if the replies show a server with the [`SYNCED_SETTINGS`]. A server that rejects `CONFIG GET`
/// counts as not synced.
pub(crate) fn is_synced(replies: &[RedisResult<Value>]) -> bool {
    let is_set = |(reply, (_, required)): (&RedisResult<Value>, (&str, &str))| {
        let pair = reply
            .as_ref()
            .ok()
            .and_then(|reply| redis::from_redis_value_ref::<Vec<String>>(reply).ok());
        pair.is_some_and(|pair| pair.get(1).is_some_and(|value| value == required))
    };
    replies.len() == SYNCED_SETTINGS.len() && replies.iter().zip(SYNCED_SETTINGS).all(is_set)
}
