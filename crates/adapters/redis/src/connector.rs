//! Opening connections to the nodes of a deployment.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool::managed::{Manager, Metrics, RecycleResult};
use futures_util::FutureExt as _;
use futures_util::future::select_ok;
use redis::aio::{MultiplexedConnection, PubSub};
use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, RedisResult};
use tokio::time::timeout;

use crate::fault::Fault;
use crate::settings::{Deployment, RedisSettings, RedisSettingsError};
use crate::slots::NodeAddress;

/// A server that takes writes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Node {
    /// The one server there is, or the primary that the Sentinels name at the time.
    Primary,
    /// A node of a cluster.
    At(NodeAddress),
}

/// Opens connections; each attempt is bounded by the connect time-out.
pub(crate) struct Connector {
    deployment: Deployment,
    connect_timeout: Duration,
    /// A second guard inside the connection; calls are bounded by who makes them.
    response_timeout: Duration,
    replaced: AtomicU64,
}

/// Commands that may wait for their turn in a shared connection.
const QUEUE: usize = 1024;

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
            replaced: AtomicU64::new(0),
        })
    }

    /// Notes that a connection to a server was replaced: it may have lost what it held.
    pub(crate) fn note_replacement(&self) {
        self.replaced.fetch_add(1, Ordering::AcqRel);
    }

    /// How many connections were replaced so far.
    pub(crate) fn replacements(&self) -> u64 {
        self.replaced.load(Ordering::Acquire)
    }

    /// The nodes that the configuration names, if they are those of a cluster.
    pub(crate) fn seeds(&self) -> Option<Vec<Node>> {
        let Deployment::Cluster(seeds) = &self.deployment else {
            return None;
        };
        let node = |seed: &ConnectionInfo| match seed.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                Some(Node::At(NodeAddress {
                    host: host.as_str().into(),
                    port: *port,
                }))
            }
            _ => None,
        };
        Some(seeds.iter().filter_map(node).collect())
    }

    /// A connection for commands, shared by its clones.
    pub(crate) async fn open(&self, node: &Node) -> Result<MultiplexedConnection, Fault> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(Some(self.response_timeout))
            .set_pipeline_buffer_size(QUEUE);
        let open = async {
            let client = self.client(node).await?;
            client
                .get_multiplexed_async_connection_with_config(&config)
                .await
        };
        self.bounded(open).await
    }

    /// A connection for subscriptions.
    pub(crate) async fn open_pubsub(&self, node: &Node) -> Result<PubSub, Fault> {
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
                // All at once, because one that hangs must not use up the others' time.
                let asked = sentinels
                    .iter()
                    .map(|sentinel| primary(sentinel, service, node).boxed());
                Ok(select_ok(asked).await?.0)
            }
            (Deployment::Cluster(seeds), node) => match (seeds.first(), node) {
                (Some(seed), Node::At(address)) => Client::open(moved(seed.clone(), address)),
                _ => Err((redis::ErrorKind::Client, "a cluster has no single primary").into()),
            },
        }
    }

    async fn bounded<T>(
        &self,
        open: impl Future<Output = RedisResult<T>> + Send,
    ) -> Result<T, Fault> {
        // Boxed, because the library's future is large and the way here is frequent.
        timeout(self.connect_timeout, open.boxed())
            .await
            .map_err(|_| Fault::timed_out("connecting to Redis"))?
            .map_err(|error| Fault::of(&error))
    }
}

/// Opens connections to the primary for a pool, and asks those that were idle for a pong.
impl Manager for Connector {
    type Type = MultiplexedConnection;
    type Error = Fault;

    async fn create(&self) -> Result<MultiplexedConnection, Fault> {
        self.open(&Node::Primary).await
    }

    async fn recycle(
        &self,
        connection: &mut MultiplexedConnection,
        _: &Metrics,
    ) -> RecycleResult<Fault> {
        let pong = redis::cmd("PING").exec_async(connection).await;
        Ok(pong.map_err(|error| Fault::of(&error))?)
    }
}

/// The primary that one Sentinel names, if it is one.
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

/// `seed`'s credentials and TLS at another address.
fn moved(seed: ConnectionInfo, to: &NodeAddress) -> ConnectionInfo {
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
