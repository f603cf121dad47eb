//! Removing every key of the cache and no other.

use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{Cmd, FromRedisValue, Pipeline, RedisError, RedisResult};

use crate::fault::Fault;
use crate::keys;
use crate::pool::{PooledConnection, RedisPool};
use crate::slots::{NodeAddress, Topology};

/// How many keys a step looks at, about.
const STEP: usize = 512;

/// Removes every key of the cache, step by step, so that no step blocks the server for long.
///
/// `SCAN` returns every key that was there from its beginning to its end, at least once.
pub(super) async fn sweep(pool: &RedisPool) -> Result<(), Fault> {
    let mut connection = pool.checkout().await?;
    for node in nodes(pool, &mut connection).await? {
        let mut cursor = 0;
        loop {
            let step = scan(
                &mut connection,
                node.as_ref(),
                scan_command(pool.prefix(), cursor),
            );
            let (next, keys) = pool.bounded(step).await?;
            if !keys.is_empty() {
                pool.bounded(unlink(&mut connection, node.as_ref(), &keys))
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

/// The nodes to sweep: every primary of a cluster, or the one server there is.
async fn nodes(
    pool: &RedisPool,
    connection: &mut PooledConnection,
) -> Result<Vec<Option<NodeAddress>>, Fault> {
    if !matches!(connection, PooledConnection::Cluster(_)) {
        return Ok(vec![None]);
    }
    let answer = pool
        .bounded(Topology::command().query_async(connection))
        .await?;
    let topology = Topology::parse(&answer, None).map_err(|error| Fault::of(&error))?;
    Ok(topology.primaries().into_iter().map(Some).collect())
}

fn scan_command(prefix: &str, cursor: u64) -> Cmd {
    let mut command = redis::cmd("SCAN");
    let pattern = keys::cache(prefix, "*");
    command
        .arg(cursor)
        .arg("MATCH")
        .arg(pattern)
        .arg("COUNT")
        .arg(STEP);
    command
}

async fn scan(
    connection: &mut PooledConnection,
    node: Option<&NodeAddress>,
    command: Cmd,
) -> RedisResult<(u64, Vec<Vec<u8>>)> {
    match (connection, node) {
        (PooledConnection::Cluster(connection), Some(node)) => {
            let routing = RoutingInfo::SingleNode(address(node));
            let answer = connection.route_command(command, routing).await?;
            FromRedisValue::from_redis_value(answer).map_err(RedisError::from)
        }
        (connection, _) => command.query_async(connection).await,
    }
}

/// One command a key, because the keys of a step are in different slots on a cluster.
async fn unlink(
    connection: &mut PooledConnection,
    node: Option<&NodeAddress>,
    keys: &[Vec<u8>],
) -> RedisResult<()> {
    let mut pipeline = Pipeline::with_capacity(keys.len());
    for key in keys {
        pipeline.cmd("UNLINK").arg(key).ignore();
    }
    match (connection, node) {
        (PooledConnection::Cluster(connection), Some(node)) => connection
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
