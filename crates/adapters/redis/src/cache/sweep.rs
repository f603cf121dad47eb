//! Removes every key of the cache and no other.

use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{Cmd, FromRedisValue, Pipeline, RedisError, RedisResult};

use crate::cluster::slots::{NodeAddress, Topology};
use crate::deployment::pool::{RedisPool, SharedConnection};
use crate::failure::RedisFailure;
use crate::keys;

/// The approximate number of keys that one `SCAN` visits.
const SCAN_COUNT: usize = 512;

/// Removes every key of the cache in steps, so that no step blocks the server for long.
///
/// `SCAN` returns every key that exists from its start to its end at least once.
pub(super) async fn sweep(pool: &RedisPool) -> Result<(), RedisFailure> {
    let mut pooled = pool.checkout().await?;
    let connection = &mut pooled.connection;
    for node in nodes(pool, connection).await? {
        let mut cursor = 0;
        loop {
            let command = scan_command(pool.prefix(), cursor);
            let (next, keys) = pool
                .bounded(scan(connection, node.as_ref(), command))
                .await?;
            if !keys.is_empty() {
                pool.bounded(unlink(connection, node.as_ref(), &keys))
                    .await?;
            }
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
    }
    Ok(())
}

/// The nodes to sweep: every primary of a cluster; `None` for the only server.
async fn nodes(
    pool: &RedisPool,
    connection: &mut SharedConnection,
) -> Result<Vec<Option<NodeAddress>>, RedisFailure> {
    if !matches!(connection, SharedConnection::Cluster(_)) {
        return Ok(vec![None]);
    }
    let reply = pool
        .bounded(Topology::command().query_async(connection))
        .await?;
    let topology =
        Topology::parse(&reply, None).map_err(|error| RedisFailure::from_error(&error))?;
    Ok(topology.primaries().into_iter().map(Some).collect())
}

fn scan_command(prefix: &str, cursor: u64) -> Cmd {
    let mut command = redis::cmd("SCAN");
    command
        .arg(cursor)
        .arg("MATCH")
        .arg(keys::cache(prefix, "*"))
        .arg("COUNT")
        .arg(SCAN_COUNT);
    command
}

async fn scan(
    connection: &mut SharedConnection,
    node: Option<&NodeAddress>,
    command: Cmd,
) -> RedisResult<(u64, Vec<Vec<u8>>)> {
    match (connection, node) {
        (SharedConnection::Cluster(connection), Some(node)) => {
            let routing = RoutingInfo::SingleNode(address(node));
            let reply = connection.route_command(command, routing).await?;
            FromRedisValue::from_redis_value(reply).map_err(RedisError::from)
        }
        (connection, _) => command.query_async(connection).await,
    }
}

/// One command per key: on a cluster the keys of a step are in different slots.
async fn unlink(
    connection: &mut SharedConnection,
    node: Option<&NodeAddress>,
    keys: &[Vec<u8>],
) -> RedisResult<()> {
    let mut pipeline = Pipeline::with_capacity(keys.len());
    for key in keys {
        pipeline.cmd("UNLINK").arg(key).ignore();
    }
    match (connection, node) {
        (SharedConnection::Cluster(connection), Some(node)) => connection
            .route_pipeline(pipeline, 0, keys.len(), address(node))
            .await
            .map(|_| ()),
        (connection, _) => pipeline.exec_async(connection).await,
    }
}

fn address(node: &NodeAddress) -> SingleNodeRoutingInfo {
    SingleNodeRoutingInfo::ByAddress {
        host: node.host.to_string(),
        port: node.port,
    }
}
