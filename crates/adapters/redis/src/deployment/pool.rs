//! A pool of connections to any kind of deployment.

use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{self, BuildError, PoolConfig, Timeouts};
use deadpool_redis::cluster;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, ConnectionInfo, FromRedisValue, Pipeline, RedisError, RedisFuture, Value};
use tokio::time::timeout;
use tracing::Span;

use super::connector::{Connector, Node};
use super::error::RedisSettingsError;
use super::settings::RedisSettings;
use super::url::Deployment;
use crate::call_span::{CalledServer, Operation, call_span, in_span};
use crate::failure::RedisFailure;
use crate::request::Request;

/// A pool of connections to Redis, which opens them on demand and replaces broken ones. Cheap to
/// clone.
///
/// The pool limits each wait, and each call is limited once more as a whole: recycling pings every
/// idle connection in turn, and the cluster connection of redis-rs has no time-outs.
#[derive(Clone)]
pub struct RedisPool {
    inner: Arc<Inner>,
}

/// The number of connections, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// Connections in use.
    pub in_use: usize,
    /// Open connections not in use.
    pub idle: usize,
    /// The largest number of connections.
    pub max: usize,
}

struct Inner {
    pool: Pool,
    prefix: String,
    checkout_bound: Duration,
    command_timeout: Duration,
}

enum Pool {
    /// Connections to a single server, or to the primary that the Sentinels name.
    Primary(managed::Pool<Connector>),
    Cluster(cluster::Pool),
}

/// A connection taken from the pool; it returns there when dropped.
pub(crate) struct PooledConnection {
    /// The connection itself.
    pub(crate) connection: SharedConnection,
    object: PoolObject,
}

enum PoolObject {
    Primary(managed::Object<Connector>),
    Cluster(cluster::Connection),
}

/// A connection whose clones share it: commands are sent without waiting for earlier replies. A
/// broken connection stays broken.
#[derive(Clone)]
pub(crate) enum SharedConnection {
    Node(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl RedisPool {
    /// Creates a pool without connecting.
    ///
    /// # Errors
    /// As [`RedisSettings::validate`].
    pub fn new(settings: &RedisSettings) -> Result<Self, RedisSettingsError> {
        let pool = match settings.deployment()? {
            Deployment::Cluster(seeds) => Pool::cluster(seeds, settings),
            Deployment::Single(_) | Deployment::Sentinel { .. } => Pool::primary(settings),
        }?;
        Ok(Self {
            inner: Arc::new(Inner {
                pool,
                prefix: settings.prefix.clone(),
                checkout_bound: settings.connect_timeout.max(settings.checkout_timeout),
                command_timeout: settings.command_timeout,
            }),
        })
    }

    /// The current number of connections.
    pub fn status(&self) -> PoolStatus {
        let status = match &self.inner.pool {
            Pool::Primary(pool) => pool.status(),
            Pool::Cluster(pool) => pool.status(),
        };
        PoolStatus {
            in_use: status.size.saturating_sub(status.available),
            idle: status.available,
            max: status.max_size,
        }
    }

    /// Closes idle connections now and the others after their call. Later calls fail as
    /// unavailable.
    pub fn close(&self) {
        match &self.inner.pool {
            Pool::Primary(pool) => pool.close(),
            Pool::Cluster(pool) => pool.close(),
        }
    }

    /// The beginning of every key.
    pub(crate) fn prefix(&self) -> &str {
        &self.inner.prefix
    }

    /// Takes a connection that is new or has replied to a ping.
    pub(crate) async fn checkout(&self) -> Result<PooledConnection, RedisFailure> {
        timeout(self.inner.checkout_bound, self.inner.pool.get())
            .await
            .unwrap_or_else(|_| Err(RedisFailure::timed_out("the checkout of a connection")))
    }

    /// Sends one request over a pooled connection.
    pub(crate) async fn query<T: FromRedisValue + Send>(
        &self,
        request: &impl Request,
    ) -> Result<T, RedisFailure> {
        let span = self.call_span(|| request.operation());
        let call = async {
            let mut pooled = self.checkout().await?;
            self.bounded(request.send(&mut pooled.connection)).await
        };
        in_span(span, call).await
    }

    /// The span of a call; see [`call_span`].
    pub(crate) fn call_span(&self, operation: impl FnOnce() -> Operation) -> Span {
        call_span(operation, || match &self.inner.pool {
            Pool::Primary(pool) => pool.manager().called(&Node::Primary),
            // redis-rs chooses the node.
            Pool::Cluster(_) => CalledServer::at(None, 0),
        })
    }

    /// True for a pool of a cluster.
    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.inner.pool, Pool::Cluster(_))
    }

    /// The time limit of a checkout and a command together.
    pub(crate) fn bound(&self) -> Duration {
        self.inner.checkout_bound + self.inner.command_timeout
    }

    /// Runs `call` within the command time-out; `None` when that is exceeded.
    pub(crate) async fn timed<T>(&self, call: impl Future<Output = T>) -> Option<T> {
        timeout(self.inner.command_timeout, call).await.ok()
    }

    /// Runs `call` within the command time-out and classifies its error.
    pub(crate) async fn bounded<T>(
        &self,
        call: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, RedisFailure> {
        self.timed(call)
            .await
            .ok_or_else(|| RedisFailure::timed_out("a command"))?
            .map_err(|error| RedisFailure::from_error(&error))
    }
}

impl PooledConnection {
    /// Takes the connection out of the pool for good; the pool can open another one instead.
    pub(crate) fn into_shared(self) -> SharedConnection {
        match self.object {
            PoolObject::Primary(object) => drop(managed::Object::take(object)),
            PoolObject::Cluster(object) => drop(cluster::Connection::take(object)),
        }
        self.connection
    }
}

impl Pool {
    fn primary(settings: &RedisSettings) -> Result<Self, RedisSettingsError> {
        let connector = Connector::new(settings, settings.command_timeout)?;
        managed::Pool::builder(connector)
            .config(config(settings))
            .runtime(Runtime::Tokio1)
            .build()
            .map(Self::Primary)
            .map_err(build_error)
    }

    fn cluster(
        seeds: Vec<ConnectionInfo>,
        settings: &RedisSettings,
    ) -> Result<Self, RedisSettingsError> {
        // The category alone: the details of an error of redis-rs can quote a part of the URL.
        let manager = cluster::Manager::new(seeds, false)
            .map_err(|error| RedisSettingsError::Invalid(error.category().to_owned()))?;
        cluster::Pool::builder(manager)
            .config(config(settings))
            .runtime(Runtime::Tokio1)
            .build()
            .map(Self::Cluster)
            .map_err(build_error)
    }

    async fn get(&self) -> Result<PooledConnection, RedisFailure> {
        let (connection, object) = match self {
            Self::Primary(pool) => {
                let object = pool.get().await;
                let object = object.map_err(|error| RedisFailure::from_pool_error(error, |e| e))?;
                (
                    SharedConnection::Node(object.connection.clone()),
                    PoolObject::Primary(object),
                )
            }
            Self::Cluster(pool) => {
                let classify = |error| RedisFailure::from_error(&error);
                let object = pool.get().await;
                let object =
                    object.map_err(|error| RedisFailure::from_pool_error(error, classify))?;
                (
                    SharedConnection::Cluster((*object).clone()),
                    PoolObject::Cluster(object),
                )
            }
        };
        Ok(PooledConnection { connection, object })
    }
}

fn config(settings: &RedisSettings) -> PoolConfig {
    PoolConfig {
        max_size: settings.pool_size,
        timeouts: Timeouts {
            wait: Some(settings.checkout_timeout),
            create: Some(settings.connect_timeout),
            recycle: Some(settings.command_timeout),
        },
        ..PoolConfig::default()
    }
}

fn build_error(error: BuildError) -> RedisSettingsError {
    RedisSettingsError::Invalid(error.to_string())
}

impl ConnectionLike for SharedConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Node(connection) => connection.req_packed_command(command),
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Node(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Node(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}
