//! The durability that a server reaches with each reply.

use std::time::Duration;

use posthorn_domain::Durability;
use redis::{Pipeline, RedisResult, Value};

use crate::cluster::connection::{CallError, ConnectionLease, ManagedConnection};
use crate::failure::RedisFailure;

/// The settings of a server that syncs every write to disk before its reply.
const SYNCED_SETTINGS: [(&str, &str); 3] = [
    ("appendonly", "yes"),
    ("appendfsync", "always"),
    ("no-appendfsync-on-rewrite", "no"),
];
/// The settings that decide whether a server evicts keys: its limit in bytes, and its policy there.
const EVICTION_SETTINGS: [&str; 2] = ["maxmemory", "maxmemory-policy"];

/// The number of commands that [`add_check`] adds at most.
pub(crate) const COMMANDS: usize = SYNCED_SETTINGS.len() + EVICTION_SETTINGS.len();

/// The durability that the settings of a server reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    pub(crate) durability: Durability,
    /// The policy by which the server evicts keys; such a server reaches [`Durability::Memory`].
    pub(crate) eviction: Option<String>,
}

/// The durability of what the server has replied to, if each write waits for `required`.
pub(crate) async fn durability(
    connection: &ManagedConnection,
    lease: &mut ConnectionLease,
    required: Durability,
    bound: Duration,
) -> Result<Reached, RedisFailure> {
    let mut pipeline = Pipeline::with_capacity(COMMANDS + 1);
    add_check(&mut pipeline, Durability::Synced);
    // Also for a server that rejects `CONFIG GET`.
    pipeline.cmd("INFO").arg("memory");
    pipeline.ignore_errors();
    let call = connection.call::<Vec<RedisResult<Value>>>(lease, &pipeline, bound);
    let mut replies = call.await.map_err(CallError::into_failure)?;
    let info = replies.pop().and_then(Result::ok);
    let info = info.and_then(|info| redis::from_redis_value::<String>(info).ok());
    let synced = reached(&replies, Durability::Synced);
    let eviction = info.as_deref().and_then(eviction_policy);
    Ok(match (eviction, required) {
        (Some(policy), _) => Reached::evicting(policy.to_owned()),
        (None, Durability::Replicated) => Reached::without_eviction(Durability::Replicated),
        (None, Durability::Memory | Durability::Synced) => synced,
    })
}

/// Adds the commands whose replies [`reached`] takes. One setting per command: the server finds a name
/// without a pattern at once.
pub(crate) fn add_check(pipeline: &mut Pipeline, durability: Durability) {
    let synced = SYNCED_SETTINGS.map(|(setting, _)| setting);
    let settings = match durability {
        Durability::Memory => return,
        Durability::Synced => synced.as_slice(),
        Durability::Replicated => &[],
    };
    for setting in settings.iter().chain(&EVICTION_SETTINGS) {
        pipeline.cmd("CONFIG").arg("GET").arg(setting);
    }
}

/// The durability that the replies show of a server that had `durability`. A server that rejects
/// `CONFIG GET` counts as not synced, and as one that does not evict.
pub(crate) fn reached(replies: &[RedisResult<Value>], durability: Durability) -> Reached {
    if durability == Durability::Memory {
        return Reached::without_eviction(durability);
    }
    let values: Vec<_> = replies.iter().map(setting).collect();
    let (synced, eviction) = values.split_at(values.len().saturating_sub(EVICTION_SETTINGS.len()));
    if let [Some(limit), Some(policy)] = eviction
        && limit != "0"
        && policy != NO_EVICTION
    {
        return Reached::evicting(policy.clone());
    }
    let is_set = |(value, (_, required)): (&Option<String>, (&str, &str))| {
        value.as_deref() == Some(required)
    };
    let is_synced =
        synced.len() == SYNCED_SETTINGS.len() && synced.iter().zip(SYNCED_SETTINGS).all(is_set);
    if durability == Durability::Synced && !is_synced {
        return Reached::without_eviction(Durability::Memory);
    }
    Reached::without_eviction(durability)
}

/// The policy by which a server evicts keys when its memory is full, in a reply to `INFO`; `None` if it
/// does not.
pub(crate) fn eviction_policy(info: &str) -> Option<&str> {
    let field = |name| info.lines().find_map(|line| line.strip_prefix(name));
    let is_limited = field("maxmemory:").is_some_and(|bytes| bytes != "0");
    field("maxmemory_policy:").filter(|policy| is_limited && *policy != NO_EVICTION)
}

const NO_EVICTION: &str = "noeviction";

/// The value in a reply to `CONFIG GET`.
fn setting(reply: &RedisResult<Value>) -> Option<String> {
    let reply = reply.as_ref().ok()?;
    let pair: Vec<String> = redis::from_redis_value_ref(reply).ok()?;
    pair.into_iter().nth(1)
}

impl Reached {
    /// The failure if this is less than the `required` durability.
    pub(crate) fn shortfall(&self, required: Durability) -> Option<RedisFailure> {
        if self.durability >= required {
            return None;
        }
        let text = format!("Redis reaches the durability {} only", self.durability);
        Some(RedisFailure::Transient(match &self.eviction {
            None => text,
            Some(policy) => format!("{text}: its `maxmemory-policy` is `{policy}`"),
        }))
    }

    fn evicting(policy: String) -> Self {
        Self {
            durability: Durability::Memory,
            eviction: Some(policy),
        }
    }

    fn without_eviction(durability: Durability) -> Self {
        Self {
            durability,
            eviction: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_evicts_only_with_a_policy_and_a_limit() {
        for (info, expected) in [
            ("maxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n", None),
            ("maxmemory:9\r\nmaxmemory_policy:noeviction\r\n", None),
            (
                "maxmemory:9\r\nmaxmemory_policy:volatile-ttl\r\n",
                Some("volatile-ttl"),
            ),
            ("redis_version:7.0.15\r\n", None),
        ] {
            assert_eq!(eviction_policy(info), expected, "{info}");
        }
    }

    /// Checks what a server reaches whose settings have these values; no value is an error.
    #[track_caller]
    fn check(had: Durability, settings: &[&str], expected: (Durability, Option<&str>)) {
        let reply = |value: &&str| match *value {
            "" => Err(redis::RedisError::from((
                redis::ErrorKind::Client,
                "rejected",
            ))),
            value => Ok(Value::Array(vec![
                Value::BulkString(b"name".to_vec()),
                Value::BulkString(value.into()),
            ])),
        };
        let replies: Vec<_> = settings.iter().map(reply).collect();
        let found = reached(&replies, had);
        let found = (found.durability, found.eviction.as_deref());
        assert_eq!(found, expected, "{settings:?}");
    }

    #[test]
    fn the_settings_decide_the_durability() {
        use Durability::{Memory, Replicated, Synced};
        let kept = ["yes", "always", "no", "0", "allkeys-lru"];
        check(Synced, &kept, (Synced, None));
        check(Memory, &[], (Memory, None));
        check(Replicated, &["9", "noeviction"], (Replicated, None));
        check(Replicated, &["", ""], (Replicated, None));
        let lru = Some("allkeys-lru");
        check(Replicated, &["9", "allkeys-lru"], (Memory, lru));
        let evicts = ["yes", "always", "no", "9", "allkeys-lru"];
        check(Synced, &evicts, (Memory, lru));
        let unsynced = ["yes", "everysec", "no", "0", "noeviction"];
        check(Synced, &unsynced, (Memory, None));
        check(Synced, &["", "", "", "", ""], (Memory, None));
        check(Synced, &[], (Memory, None));
    }
}
