//! The checks of every primary before the store starts.

use std::sync::Arc;
use std::time::Duration;

use posthorn_domain::Durability;
use redis::{Cmd, FromRedisValue};
use tokio::time::timeout;

use super::settings::{RedisStoreError, RedisStoreSettings};
use super::write::durability::{durability, eviction_policy};
use crate::cluster::connection::{CallError, ConnectionLease, ManagedConnection};
use crate::cluster::directory::SlotDirectory;
use crate::deployment::connector::{Connector, Node};
use crate::failure::RedisFailure;
use crate::server_mode::{self, field};

/// Checks every primary and returns the durability that all of them reach.
///
/// # Errors
/// Also if a primary does not reach the required durability.
pub(super) async fn check(
    connector: &Arc<Connector>,
    directory: &SlotDirectory,
    settings: &RedisStoreSettings,
) -> Result<Durability, RedisStoreError> {
    let bound = settings.redis.connect_timeout + settings.write_bound();
    let nodes = timeout(bound, directory.all_nodes())
        .await
        .unwrap_or_else(|_| Err(RedisFailure::timed_out("connecting to Redis")))
        .map_err(unreachable)?;
    let mut reached = Durability::Replicated;
    for (node, _) in nodes {
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
    let command_timeout = settings.redis.command_timeout;
    let is_primary = matches!(node, Node::Primary);
    let connection = ManagedConnection::new(Arc::clone(connector), node, command_timeout);
    let mut lease = connection.lease().await.map_err(unreachable)?;
    let info: String = query(&connection, &mut lease, &redis::cmd("INFO"), bound).await?;
    check_info(&info, is_primary)?;
    if let Some(policy) = eviction_policy(&info) {
        if settings.durability > Durability::Memory || !settings.accepts_eviction {
            return Err(RedisStoreError::Evicts(policy.to_owned()));
        }
        tracing::warn!(
            policy,
            "the Redis of the store evicts messages when its memory is full; set \
             `maxmemory-policy noeviction`"
        );
    }
    let reached = durability(&connection, &mut lease, settings.durability, bound);
    let (reached, _) = reached.await.map_err(unreachable)?;
    if reached.durability < settings.durability {
        return Err(RedisStoreError::NotSynced);
    }
    if settings.durability == Durability::Replicated {
        let wanted = settings.replicas();
        let wait = settings.wait_command(u64::from(wanted));
        let found: u64 = query(&connection, &mut lease, &wait, bound).await?;
        if found < u64::from(wanted) {
            // As while the process runs: a replica that restarts comes back, and messages can be read meanwhile.
            tracing::warn!(
                wanted,
                found,
                "too few replicas of Redis are connected for the durability `replicated`: messages are \
                 rejected until they are"
            );
        }
    }
    Ok(reached.durability)
}

async fn query<T: FromRedisValue + Send>(
    connection: &ManagedConnection,
    lease: &mut ConnectionLease,
    command: &Cmd,
    bound: Duration,
) -> Result<T, RedisStoreError> {
    let reply = connection.call(lease, command, bound).await;
    reply.map_err(|error| unreachable(CallError::into_failure(error)))
}

/// Checks mode, version and role. `is_primary` is false for a node of a cluster.
fn check_info(info: &str, is_primary: bool) -> Result<(), RedisStoreError> {
    server_mode::check(info, !is_primary)?;
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

fn unreachable(failure: RedisFailure) -> RedisStoreError {
    match failure {
        RedisFailure::Permanent(reason) => RedisStoreError::Refused(reason),
        other => RedisStoreError::Unreachable(other.into_message()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(info: &str, expected: Result<(), RedisStoreError>) {
        assert_eq!(check_info(info, true), expected, "{info}");
    }

    #[test]
    fn old_servers_and_replicas_are_rejected() {
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
}
