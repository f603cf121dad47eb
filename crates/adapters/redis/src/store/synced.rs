//! Whether a server has on disk what it answered for.

use std::time::Duration;

use posthorn_domain::Durability;
use redis::{Pipeline, RedisResult, Value};

use super::link::{CallError, Lease, Link};
use crate::fault::Fault;

/// Finds out what durability the server's answers stand for when `required` is waited for.
pub(super) async fn durability(
    link: &Link,
    lease: &mut Lease,
    required: Durability,
    bound: Duration,
) -> Result<Durability, Fault> {
    if required == Durability::Replicated {
        return Ok(Durability::Replicated);
    }
    let mut pipeline = Pipeline::with_capacity(SYNCED.len());
    ask_synced(&mut pipeline);
    pipeline.ignore_errors();
    let call = link.call::<Vec<RedisResult<Value>>>(lease, &pipeline, bound);
    let answers = call.await.map_err(CallError::into_fault)?;
    Ok(if is_synced(&answers) {
        Durability::Synced
    } else {
        Durability::Memory
    })
}

/// How a server is set that has every write on disk before it answers.
pub(super) const SYNCED: [(&str, &str); 3] = [
    ("appendonly", "yes"),
    ("appendfsync", "always"),
    ("no-appendfsync-on-rewrite", "no"),
];

/// Asks what [`is_synced`] looks at. One setting each time, which the server finds by its name.
pub(super) fn ask_synced(pipeline: &mut Pipeline) {
    for (setting, _) in SYNCED {
        pipeline.cmd("CONFIG").arg("GET").arg(setting);
    }
}

/// Whether the answers show a server that is set to sync; one that keeps that secret shows nothing.
pub(super) fn is_synced(answers: &[RedisResult<Value>]) -> bool {
    let is_set = |(answer, (_, wanted)): (&RedisResult<Value>, (&str, &str))| {
        let pair = answer
            .as_ref()
            .ok()
            .and_then(|answer| redis::from_redis_value_ref::<Vec<String>>(answer).ok());
        pair.is_some_and(|pair| pair.get(1).is_some_and(|value| value == wanted))
    };
    answers.len() == SYNCED.len() && answers.iter().zip(SYNCED).all(is_set)
}
