//! What is looked at before the store is used.

use std::sync::Arc;

use posthorn_domain::Durability;
use redis::Pipeline;
use tokio::time::timeout;

use super::connector::{Connector, Node};
use super::directory::Directory;
use super::link::Link;
use super::settings::{RedisStoreError, RedisStoreSettings};
use super::writer::prepare;
use crate::fault::Fault;

/// The durability that every primary reaches; an error if that is not the one required.
pub(super) async fn check(
    connector: &Arc<Connector>,
    directory: &Directory,
    settings: &RedisStoreSettings,
) -> Result<Durability, RedisStoreError> {
    let bound = settings.redis.connect_timeout + settings.write_bound();
    let mut reached = Durability::Replicated;
    for node in timed(bound, directory.nodes()).await? {
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
    let reached = prepare(&link, &mut lease, settings.durability, bound)
        .await
        .map_err(unreachable)?;
    if reached < settings.durability {
        return Err(RedisStoreError::NotSynced);
    }
    if settings.durability == Durability::Replicated {
        let mut wait = Pipeline::with_capacity(1);
        let millis = settings.replication_timeout.as_millis().max(1).to_string();
        wait.cmd("WAIT").arg(settings.min_replicas).arg(millis);
        let call = link.call::<[u64; 1]>(&mut lease, &wait, bound);
        let [found] = call
            .await
            .map_err(|error| unreachable(error.into_fault()))?;
        let wanted = settings.min_replicas;
        if found < u64::from(wanted) {
            return Err(RedisStoreError::NotReplicated { wanted, found });
        }
    }
    Ok(reached)
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
