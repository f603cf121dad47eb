//! The durability that a server reaches with each reply.

use std::time::Duration;

use posthorn_domain::Durability;
use redis::{Pipeline, RedisResult, Value};

use crate::cluster::connection::{CallError, ConnectionLease, ManagedConnection};
use crate::failure::RedisFailure;
use crate::store::settings::RedisStoreSettings;

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

/// How the settings of a server are queried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SettingsQuery {
    /// All by one command, which Redis 7.0 and later accept.
    Together,
    /// Each by a command of its own.
    Each,
}

/// The durability that the settings of a server reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    pub(crate) durability: Durability,
    /// The policy by which the server evicts keys; such a server reaches [`Durability::Memory`].
    pub(crate) eviction: Option<String>,
}

/// The durability of the writes that the server has replied to, if each write waits for `required`, and how its
/// settings are queried.
pub(crate) async fn durability(
    connection: &ManagedConnection,
    lease: &mut ConnectionLease,
    required: Durability,
    bound: Duration,
) -> Result<(Reached, SettingsQuery), RedisFailure> {
    let mut query = SettingsQuery::Together;
    let (mut replies, info) = settings(connection, lease, query, bound).await?;
    if let [Err(_)] = &replies[..] {
        query = SettingsQuery::Each;
        (replies, _) = settings(connection, lease, query, bound).await?;
    }
    let synced = reached(&replies, Durability::Synced);
    let eviction = info.as_deref().and_then(eviction_policy);
    let reached = match (eviction, required) {
        (Some(policy), _) => Reached::evicting(policy.to_owned()),
        (None, Durability::Replicated) => Reached::without_eviction(Durability::Replicated),
        (None, Durability::Memory | Durability::Synced) => synced,
    };
    Ok((reached, query))
}

/// The replies to [`add_check`], and the section `memory` of `INFO`.
async fn settings(
    connection: &ManagedConnection,
    lease: &mut ConnectionLease,
    query: SettingsQuery,
    bound: Duration,
) -> Result<(Vec<RedisResult<Value>>, Option<String>), RedisFailure> {
    let mut pipeline = Pipeline::with_capacity(COMMANDS + 1);
    add_check(&mut pipeline, Durability::Synced, query);
    // Also for a server that rejects `CONFIG GET`.
    pipeline.cmd("INFO").arg("memory");
    pipeline.ignore_errors();
    let call = connection.call::<Vec<RedisResult<Value>>>(lease, &pipeline, bound);
    let mut replies = call.await.map_err(CallError::into_failure)?;
    let info = replies.pop().and_then(Result::ok);
    Ok((
        replies,
        info.and_then(|info| redis::from_redis_value(info).ok()),
    ))
}

/// Adds the commands whose replies [`reached`] takes, for a server that had `durability`. No name has a pattern, so
/// the server finds each at once.
pub(crate) fn add_check(pipeline: &mut Pipeline, durability: Durability, query: SettingsQuery) {
    let synced = SYNCED_SETTINGS.map(|(setting, _)| setting);
    let settings = match durability {
        Durability::Memory | Durability::Synced => synced.as_slice(),
        Durability::Replicated => &[],
    };
    let settings = settings.iter().chain(&EVICTION_SETTINGS);
    match query {
        SettingsQuery::Together => {
            let command = pipeline.cmd("CONFIG").arg("GET");
            for setting in settings {
                command.arg(setting);
            }
        }
        SettingsQuery::Each => {
            for setting in settings {
                pipeline.cmd("CONFIG").arg("GET").arg(setting);
            }
        }
    }
}

/// The durability that the replies show of a server that had `durability`: up to [`Durability::Synced`] if it had
/// less. A server that rejects `CONFIG GET` counts as not synced, and as one that does not evict.
pub(crate) fn reached(replies: &[RedisResult<Value>], durability: Durability) -> Reached {
    // A reply has the names and the values of its settings in turns.
    let texts = replies.iter().flatten().filter_map(strings);
    let texts: Vec<String> = texts.flatten().collect();
    let value = |setting: &str| {
        let mut pairs = texts.chunks_exact(2);
        let pair = pairs.find(|pair| pair.first().is_some_and(|name| name == setting));
        pair.and_then(<[_]>::last)
    };
    if let [Some(limit), Some(policy)] = EVICTION_SETTINGS.map(value)
        && limit != "0"
        && policy != NO_EVICTION
    {
        return Reached::evicting(policy.clone());
    }
    let is_set = |(setting, required): (&str, &str)| value(setting).is_some_and(|v| v == required);
    Reached::without_eviction(match durability {
        Durability::Replicated => Durability::Replicated,
        _ if SYNCED_SETTINGS.into_iter().all(is_set) => Durability::Synced,
        _ => Durability::Memory,
    })
}

fn strings(reply: &Value) -> Option<Vec<String>> {
    redis::from_redis_value_ref(reply).ok()
}

/// The policy by which a server evicts keys when its memory is full, in a reply to `INFO`; `None` if it
/// does not.
pub(crate) fn eviction_policy(info: &str) -> Option<&str> {
    let field = |name| info.lines().find_map(|line| line.strip_prefix(name));
    let is_limited = field("maxmemory:").is_some_and(|bytes| bytes != "0");
    field("maxmemory_policy:").filter(|policy| is_limited && *policy != NO_EVICTION)
}

const NO_EVICTION: &str = "noeviction";

impl Reached {
    /// The failure if this is less than the settings require.
    pub(crate) fn shortfall(&self, settings: &RedisStoreSettings) -> Option<RedisFailure> {
        let is_accepted = self.eviction.is_none() || settings.accepts_eviction;
        if self.durability >= settings.durability && is_accepted {
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

    /// Checks what a server reaches whose settings have these values, queried together and one by one; an empty
    /// value stands for an error.
    #[track_caller]
    fn check(had: Durability, settings: &[(&str, &str)], expected: (Durability, Option<&str>)) {
        let text = |text: &str| Value::BulkString(text.into());
        let reply = |(name, value): &(&str, &str)| match *value {
            "" => Err(redis::RedisError::from((
                redis::ErrorKind::Client,
                "rejected",
            ))),
            value => Ok(Value::Array(vec![text(name), text(value)])),
        };
        let each: Vec<_> = settings.iter().map(reply).collect();
        // The server orders them as it likes.
        let all = settings.iter().rev().filter(|(_, value)| !value.is_empty());
        let together = all.flat_map(|(name, value)| [text(name), text(value)]);
        for replies in [each, vec![Ok(Value::Array(together.collect()))]] {
            let found = reached(&replies, had);
            let found = (found.durability, found.eviction.as_deref());
            assert_eq!(found, expected, "{settings:?}");
        }
    }

    #[test]
    fn the_settings_decide_the_durability() {
        use Durability::{Memory, Replicated, Synced};
        let (yes, always) = (("appendonly", "yes"), ("appendfsync", "always"));
        let no = ("no-appendfsync-on-rewrite", "no");
        let (limited, unlimited) = (("maxmemory", "9"), ("maxmemory", "0"));
        let lru = ("maxmemory-policy", "allkeys-lru");
        let none = ("maxmemory-policy", "noeviction");
        let evicts = (Memory, Some("allkeys-lru"));
        check(Synced, &[yes, always, no, unlimited, lru], (Synced, None));
        check(Synced, &[yes, always, no, limited, none], (Synced, None));
        check(Memory, &[], (Memory, None));
        check(Memory, &[yes, always, no, unlimited, lru], (Synced, None));
        check(Memory, &[yes, always, no, limited, lru], evicts);
        check(Replicated, &[limited, none], (Replicated, None));
        let rejected = [("maxmemory", ""), ("maxmemory-policy", "")];
        check(Replicated, &rejected, (Replicated, None));
        check(Replicated, &[limited, lru], evicts);
        check(Synced, &[yes, always, no, limited, lru], evicts);
        let everysec = ("appendfsync", "everysec");
        check(
            Synced,
            &[yes, everysec, no, unlimited, none],
            (Memory, None),
        );
        check(Synced, &[yes, no, unlimited, none], (Memory, None));
        check(Synced, &rejected, (Memory, None));
        check(Synced, &[], (Memory, None));
    }
}
