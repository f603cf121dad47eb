//! What is looked at before the store is used.

use std::sync::Arc;

use posthorn_domain::Durability;
use redis::Pipeline;
use tokio::time::timeout;

use super::directory::Directory;
use super::link::Link;
use super::settings::{RedisStoreError, RedisStoreSettings};
use super::synced::durability;
use crate::connector::{Connector, Node};
use crate::fault::Fault;

/// The durability that every primary reaches; an error if that is not the one required.
pub(super) async fn check(
    connector: &Arc<Connector>,
    directory: &Directory,
    settings: &RedisStoreSettings,
) -> Result<Durability, RedisStoreError> {
    let bound = settings.redis.connect_timeout + settings.write_bound();
    let mut reached = Durability::Replicated;
    for (node, _) in timed(bound, directory.all_nodes()).await? {
        reached = reached.min(check_node(connector, node, settings).await?);
    }
    Ok(reached)
}

async fn check_node(
    connector: &Arc<Connector>,
    node: Node,
    settings: &RedisStoreSettings,
) -> Result<Durability, RedisStoreError> {
    let bound = settings.write_bound();
    let link = Link::new(Arc::clone(connector), node, settings.redis.command_timeout);
    let mut lease = link.lease().await.map_err(unreachable)?;
    let mut info = Pipeline::with_capacity(1);
    info.cmd("INFO");
    let call = link.call::<[String; 1]>(&mut lease, &info, bound);
    let [info] = call
        .await
        .map_err(|error| unreachable(error.into_fault()))?;
    check_info(&info)?;
    if let Some(policy) = evicts(&info) {
        if settings.durability > Durability::Memory {
            return Err(RedisStoreError::Evicts(policy.to_owned()));
        }
        tracing::warn!(
            policy,
            "the Redis of the store evicts messages when its memory is full; set \
             `maxmemory-policy noeviction`"
        );
    }
    let call = durability(&link, &mut lease, settings.durability, bound);
    let reached = call.await.map_err(unreachable)?;
    if reached < settings.durability {
        return Err(RedisStoreError::NotSynced);
    }
    if settings.durability == Durability::Replicated {
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.add_command(settings.wait_command());
        let call = link.call::<[u64; 1]>(&mut lease, &pipeline, bound);
        let [found] = call
            .await
            .map_err(|error| unreachable(error.into_fault()))?;
        let wanted = settings.replicas();
        if found < u64::from(wanted) {
            return Err(RedisStoreError::NotReplicated { wanted, found });
        }
    }
    Ok(reached)
}

/// Whether the server, by what it says of itself, can be used.
fn check_info(info: &str) -> Result<(), RedisStoreError> {
    let version = field(info, "redis_version:").unwrap_or_default();
    let mut numbers = version
        .split('.')
        .map_while(|number| number.parse::<u32>().ok());
    if (numbers.next(), numbers.next()) < (Some(6), Some(2)) {
        return Err(RedisStoreError::TooOld(version.to_owned()));
    }
    if field(info, "role:").is_some_and(|role| role != "master") {
        return Err(RedisStoreError::Replica);
    }
    Ok(())
}

/// By what policy the server evicts keys when its memory is full, if it does.
fn evicts(info: &str) -> Option<&str> {
    let is_limited = field(info, "maxmemory:").is_some_and(|bytes| bytes != "0");
    field(info, "maxmemory_policy:").filter(|policy| is_limited && *policy != "noeviction")
}

/// What `INFO` says after `name`.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name))
}

async fn timed<T>(
    bound: std::time::Duration,
    call: impl Future<Output = Result<T, Fault>>,
) -> Result<T, RedisStoreError> {
    timeout(bound, call)
        .await
        .unwrap_or_else(|_| Err(Fault::timed_out("connecting to Redis")))
        .map_err(unreachable)
}

fn unreachable(fault: Fault) -> RedisStoreError {
    RedisStoreError::Unreachable(fault.into_text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(info: &str, expected: Result<(), RedisStoreError>) {
        assert_eq!(check_info(info), expected, "{info}");
    }

    #[test]
    fn old_servers_and_replicas_are_refused() {
        let too_old = |version: &str| Err(RedisStoreError::TooOld(version.to_owned()));
        check("redis_version:6.2.0\r\nrole:master\r\n", Ok(()));
        check("redis_version:7.0.15\r\nrole:master\r\n", Ok(()));
        check("redis_version:10.1\r\n", Ok(()));
        check("redis_version:6.0.16\r\nrole:master\r\n", too_old("6.0.16"));
        check("redis_version:5.9\r\n", too_old("5.9"));
        check("", too_old(""));
        check(
            "redis_version:7.2.4\r\nrole:slave\r\n",
            Err(RedisStoreError::Replica),
        );
    }

    #[test]
    fn a_server_evicts_by_a_policy_and_within_a_limit_only() {
        for (info, expected) in [
            ("maxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n", None),
            ("maxmemory:9\r\nmaxmemory_policy:noeviction\r\n", None),
            (
                "maxmemory:9\r\nmaxmemory_policy:volatile-ttl\r\n",
                Some("volatile-ttl"),
            ),
            ("redis_version:7.0.15\r\n", None),
        ] {
            assert_eq!(evicts(info), expected, "{info}");
        }
    }
}
