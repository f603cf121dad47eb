//! Opens connections to the nodes of a deployment.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool::managed::{Manager, Metrics, RecycleResult};
use futures_util::FutureExt as _;
use futures_util::future::select_ok;
use redis::aio::{MultiplexedConnection, PubSub};
use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, RedisResult};
use tokio::time::timeout;

use super::error::RedisSettingsError;
use super::settings::RedisSettings;
use super::url::Deployment;
use crate::cluster::slots::NodeAddress;
use crate::failure::RedisFailure;

/// A server that accepts writes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Node {
    /// The single server, or the primary that the Sentinels name when a connection is opened.
    Primary,
    /// A node of a cluster.
    Address(NodeAddress),
}

/// Opens connections, each within the connect time-out.
pub(crate) struct Connector {
    deployment: Deployment,
    connect_timeout: Duration,
    /// The response time-out inside each connection. Callers have time limits of their own; this
    /// one catches a call that has none.
    response_timeout: Duration,
    replacements: AtomicU64,
}

/// The number of commands that a shared connection queues.
const QUEUE_CAPACITY: usize = 1024;

impl Connector {
    pub(crate) fn new(
        settings: &RedisSettings,
        response_timeout: Duration,
    ) -> Result<Self, RedisSettingsError> {
        let deployment = settings.deployment()?;
        Ok(Self {
            deployment,
            connect_timeout: settings.connect_timeout,
            response_timeout,
            replacements: AtomicU64::new(0),
        })
    }

    /// Counts a new connection. Its server may have restarted and lost data or scripts, so whatever
    /// was remembered about the server is valid for the old count only.
    pub(crate) fn note_replacement(&self) {
        self.replacements.fetch_add(1, Ordering::AcqRel);
    }

    /// The number of connections counted so far.
    pub(crate) fn replacements(&self) -> u64 {
        self.replacements.load(Ordering::Acquire)
    }

    /// The configured nodes of a cluster; `None` for a single server and for Sentinel.
    pub(crate) fn seeds(&self) -> Option<Vec<Node>> {
        let Deployment::Cluster(seeds) = &self.deployment else {
            return None;
        };
        let node = |seed: &ConnectionInfo| match seed.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                Some(Node::Address(NodeAddress {
                    host: host.as_str().into(),
                    port: *port,
                }))
            }
            _ => None,
        };
        Some(seeds.iter().filter_map(node).collect())
    }

    /// Opens a connection for commands. Its clones share it.
    pub(crate) async fn open(&self, node: &Node) -> Result<MultiplexedConnection, RedisFailure> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(Some(self.response_timeout))
            .set_pipeline_buffer_size(QUEUE_CAPACITY);
        let open = async {
            let client = self.client(node).await?;
            client
                .get_multiplexed_async_connection_with_config(&config)
                .await
        };
        self.bounded(open).await
    }

    /// Opens a connection for subscriptions.
    pub(crate) async fn open_pubsub(&self, node: &Node) -> Result<PubSub, RedisFailure> {
        self.bounded(async { self.client(node).await?.get_async_pubsub().await })
            .await
    }

    async fn client(&self, node: &Node) -> RedisResult<Client> {
        match (&self.deployment, node) {
            (Deployment::Single(info), _) => Client::open(info.clone()),
            (
                Deployment::Sentinel {
                    sentinels,
                    service,
                    node,
                },
                _,
            ) => {
                // Query all Sentinels at once: a hung one must not use up the time of the others.
                let queries = sentinels
                    .iter()
                    .map(|sentinel| primary(sentinel, service, node).boxed());
                Ok(select_ok(queries).await?.0)
            }
            (Deployment::Cluster(seeds), node) => match (seeds.first(), node) {
                (Some(seed), Node::Address(address)) => {
                    Client::open(with_address(seed.clone(), address))
                }
                _ => Err((redis::ErrorKind::Client, "a cluster has several primaries").into()),
            },
        }
    }

    async fn bounded<T>(
        &self,
        open: impl Future<Output = RedisResult<T>> + Send,
    ) -> Result<T, RedisFailure> {
        // Boxed: this future of redis-rs is large and would be part of every caller's.
        timeout(self.connect_timeout, open.boxed())
            .await
            .map_err(|_| RedisFailure::timed_out("connecting to Redis"))?
            .map_err(|error| RedisFailure::from_error(&error))
    }
}

/// The pool manager for a single server and for Sentinel: new connections go to the current primary,
/// idle ones must reply to `PING`.
///
/// The Sentinel manager of deadpool-redis queries the Sentinels in turn, behind a lock and without a
/// time-out, so a hung Sentinel would block every checkout. This one manager replaces both that and
/// its manager for a single server, which does the same as this one does.
impl Manager for Connector {
    type Type = MultiplexedConnection;
    type Error = RedisFailure;

    async fn create(&self) -> Result<MultiplexedConnection, RedisFailure> {
        self.open(&Node::Primary).await
    }

    async fn recycle(
        &self,
        connection: &mut MultiplexedConnection,
        _: &Metrics,
    ) -> RecycleResult<RedisFailure> {
        let pong = redis::cmd("PING").exec_async(connection).await;
        Ok(pong.map_err(|error| RedisFailure::from_error(&error))?)
    }
}

/// A client of the primary that `sentinel` names.
async fn primary(
    sentinel: &ConnectionInfo,
    service: &str,
    node: &SentinelNodeConnectionInfo,
) -> RedisResult<Client> {
    let primary = SentinelServerType::Master;
    let (sentinel, service) = (vec![sentinel.clone()], service.to_owned());
    SentinelClient::build(sentinel, service, Some(node.clone()), primary)?
        .async_get_client()
        .await
}

/// `seed` with its credentials and TLS settings, but another address.
fn with_address(seed: ConnectionInfo, to: &NodeAddress) -> ConnectionInfo {
    let host = to.host.to_string();
    let address = match seed.addr().clone() {
        ConnectionAddr::TcpTls {
            insecure,
            tls_params,
            ..
        } => ConnectionAddr::TcpTls {
            host,
            port: to.port,
            insecure,
            tls_params,
        },
        _ => ConnectionAddr::Tcp(host, to.port),
    };
    seed.set_addr(address)
}
