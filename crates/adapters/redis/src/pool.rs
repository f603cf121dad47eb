//! One pool over the three kinds of deployment; nothing behind it cares which.

use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{self, BuildError, PoolConfig, Timeouts};
use deadpool_redis::cluster;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, ConnectionInfo, FromRedisValue, Pipeline, RedisError, RedisFuture, Value};
use tokio::time::timeout;

use crate::connector::Connector;
use crate::fault::Fault;
use crate::settings::{Deployment, RedisSettings, RedisSettingsError};

/// Connections to Redis, opened when they are needed and replaced when they break. Cheap to clone.
///
/// Every wait is bounded: by the pool itself and once more around it, because recycling asks every
/// idle connection in turn and the cluster's client has no time-outs of its own.
#[derive(Clone)]
pub struct RedisPool {
    inner: Arc<Inner>,
}

/// How many connections there are, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// Connections that serve a call now.
    pub in_use: usize,
    /// Open connections that wait for one.
    pub idle: usize,
    /// The most connections there may be.
    pub max: usize,
}

struct Inner {
    pool: Pool,
    prefix: String,
    checkout_bound: Duration,
    command_timeout: Duration,
}

enum Pool {
    /// To one server, or to the primary that the Sentinels name.
    Primary(managed::Pool<Connector>),
    Cluster(cluster::Pool),
}

/// A connection on loan from the pool.
pub(crate) enum PooledConnection {
    Primary(managed::Object<Connector>),
    Cluster(cluster::Connection),
}

/// A connection whose clones share it; their commands go out without waiting for each other's
/// answers. It does not come back once it broke.
#[derive(Clone)]
pub(crate) enum SharedConnection {
    Node(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl RedisPool {
    /// A pool as `settings` says; connects to nothing yet.
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

    /// How many connections there are now.
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

    /// Closes every connection that is idle, and the others after their call. Calls from then on
    /// fail as unavailable.
    pub fn close(&self) {
        match &self.inner.pool {
            Pool::Primary(pool) => pool.close(),
            Pool::Cluster(pool) => pool.close(),
        }
    }

    /// What every key starts with.
    pub(crate) fn prefix(&self) -> &str {
        &self.inner.prefix
    }

    /// A connection that answered a ping just now, or is new.
    pub(crate) async fn checkout(&self) -> Result<PooledConnection, Fault> {
        timeout(self.inner.checkout_bound, self.inner.pool.get())
            .await
            .unwrap_or_else(|_| Err(Fault::timed_out("the checkout of a connection")))
    }

    /// The answer to one command.
    pub(crate) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Fault> {
        let mut connection = self.checkout().await?;
        self.bounded(command.query_async(&mut connection)).await
    }

    /// The most time that a checkout and a command take together.
    pub(crate) fn bound(&self) -> Duration {
        self.inner.checkout_bound + self.inner.command_timeout
    }

    /// What became of `call`; `None` once the command time-out has passed.
    pub(crate) async fn timed<T>(&self, call: impl Future<Output = T>) -> Option<T> {
        timeout(self.inner.command_timeout, call).await.ok()
    }

    /// The outcome of `call`, which is cut off at the command time-out.
    pub(crate) async fn bounded<T>(
        &self,
        call: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, Fault> {
        self.timed(call)
            .await
            .ok_or_else(|| Fault::timed_out("a command"))?
            .map_err(|error| Fault::of(&error))
    }
}

impl PooledConnection {
    /// The connection for many users at once; the pool opens another one in its place.
    pub(crate) fn into_shared(self) -> SharedConnection {
        match self {
            Self::Primary(connection) => SharedConnection::Node(managed::Object::take(connection)),
            Self::Cluster(connection) => {
                SharedConnection::Cluster(cluster::Connection::take(connection))
            }
        }
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
            .map_err(not_built)
    }

    fn cluster(
        seeds: Vec<ConnectionInfo>,
        settings: &RedisSettings,
    ) -> Result<Self, RedisSettingsError> {
        let manager = cluster::Manager::new(seeds, false).map_err(|error| refused(&error))?;
        cluster::Pool::builder(manager)
            .config(config(settings))
            .runtime(Runtime::Tokio1)
            .build()
            .map(Self::Cluster)
            .map_err(not_built)
    }

    async fn get(&self) -> Result<PooledConnection, Fault> {
        match self {
            Self::Primary(pool) => pool
                .get()
                .await
                .map(PooledConnection::Primary)
                .map_err(|error| Fault::of_pool(error, |fault| fault)),
            Self::Cluster(pool) => pool
                .get()
                .await
                .map(PooledConnection::Cluster)
                .map_err(|error| Fault::of_pool(error, |error| Fault::of(&error))),
        }
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

/// The category alone: the library's details may quote a part of the URL.
fn refused(error: &RedisError) -> RedisSettingsError {
    RedisSettingsError::Refused(error.category().to_owned())
}

fn not_built(error: BuildError) -> RedisSettingsError {
    RedisSettingsError::Refused(error.to_string())
}

impl ConnectionLike for PooledConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Primary(connection) => connection.req_packed_command(command),
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
            Self::Primary(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Primary(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
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
