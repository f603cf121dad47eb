//! Opens connections to the nodes of a deployment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool::managed::{Manager, Metrics, RecycleResult};
use futures_util::FutureExt as _;
use redis::aio::{MultiplexedConnection, PubSub};
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, RedisResult, Value};
use tokio::time::timeout;

use super::error::RedisSettingsError;
use super::primary::PrimaryDirectory;
use super::sentinel::PromotionCandidate;
use super::settings::RedisSettings;
use super::url::Deployment;
use crate::call_span::CalledServer;
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
    /// The primary that the Sentinels name, if there are Sentinels.
    primary: Option<Arc<PrimaryDirectory>>,
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
        let connect_timeout = settings.connect_timeout;
        let primary = match &deployment {
            Deployment::Sentinel {
                sentinels, service, ..
            } => Some(PrimaryDirectory::new(sentinels, service, connect_timeout)),
            Deployment::Single(_) | Deployment::Cluster(_) => None,
        };
        Ok(Self {
            deployment,
            primary: primary.map(Arc::new),
            connect_timeout,
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

    /// The number of changes of the primary seen so far; 0 without Sentinels. A connection that was
    /// opened at another number leads to a demoted server. The number is at most half a second old
    /// while the Sentinels reply.
    pub(crate) async fn primary_version(&self) -> Result<u64, RedisFailure> {
        match &self.primary {
            Some(primary) => Ok(primary.current().await?.version),
            None => Ok(0),
        }
    }

    /// True if a replica can become the primary while this process runs, without an operator.
    pub(crate) fn fails_over(&self) -> bool {
        !matches!(self.deployment, Deployment::Single(_))
    }

    /// True unless most Sentinels do not reply: then the primary may be another one by now.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.primary
            .as_ref()
            .is_none_or(|primary| primary.is_confirmed())
    }

    /// The servers that a Sentinel could promote instead of the primary; none without Sentinels. As old as
    /// [`Self::primary_version`].
    pub(crate) fn candidates(&self) -> Vec<PromotionCandidate> {
        let primary = self.primary.as_ref();
        primary.map_or_else(Vec::new, |primary| primary.candidates())
    }

    /// The server that a connection to `node` leads to, for spans.
    pub(crate) fn called(&self, node: &Node) -> CalledServer {
        match (&self.deployment, node) {
            (Deployment::Single(info), _) => CalledServer::of(info),
            (Deployment::Sentinel { primary, .. }, _) => {
                let directory = self.primary.as_ref();
                let address = directory.and_then(|directory| directory.address());
                CalledServer::at(address.as_ref(), primary.redis_settings().db())
            }
            (Deployment::Cluster(_), Node::Address(address)) => CalledServer::at(Some(address), 0),
            (Deployment::Cluster(_), Node::Primary) => CalledServer::at(None, 0),
        }
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
            let mut connection = client
                .get_multiplexed_async_connection_with_config(&config)
                .await
                .map_err(|error| RedisFailure::from_error(&error))?;
            if self.primary.is_some() {
                check_role(&mut connection).await?;
            }
            Ok(connection)
        };
        self.bounded(open).await
    }

    /// Opens a connection for subscriptions.
    pub(crate) async fn open_pubsub(&self, node: &Node) -> Result<PubSub, RedisFailure> {
        let open = async {
            let client = self.client(node).await?;
            let opened = client.get_async_pubsub().await;
            opened.map_err(|error| RedisFailure::from_error(&error))
        };
        self.bounded(open).await
    }

    async fn client(&self, node: &Node) -> Result<Client, RedisFailure> {
        let invalid = |error| RedisFailure::from_error(&error);
        let info = match (&self.deployment, &self.primary, node) {
            (Deployment::Single(info), ..) => info.clone(),
            (Deployment::Sentinel { primary, .. }, Some(directory), _) => {
                with_address(primary.clone(), &directory.current().await?.address)
            }
            (Deployment::Cluster(seeds), _, Node::Address(address)) => {
                let unknown = || RedisFailure::Permanent("the cluster has no seeds".to_owned());
                with_address(seeds.first().cloned().ok_or_else(unknown)?, address)
            }
            _ => {
                let several = "the deployment has no single primary".to_owned();
                return Err(RedisFailure::Permanent(several));
            }
        };
        Client::open(info).map_err(invalid)
    }

    async fn bounded<T>(
        &self,
        open: impl Future<Output = Result<T, RedisFailure>> + Send,
    ) -> Result<T, RedisFailure> {
        // Boxed: this future of redis-rs is large and would be part of every caller's.
        timeout(self.connect_timeout, open.boxed())
            .await
            .map_err(|_| RedisFailure::timed_out("connecting to Redis"))?
    }
}

/// A connection of the pool, and the [`Connector::primary_version`] at which it was opened.
pub(crate) struct PrimaryConnection {
    pub(crate) connection: MultiplexedConnection,
    version: u64,
}

/// The pool manager for a single server and for Sentinel: new connections go to the current primary,
/// idle ones must lead there still and reply to `PING`.
///
/// `docs/decisions/0012-one-pool-manager-for-single-and-sentinel.md` has the reason.
impl Manager for Connector {
    type Type = PrimaryConnection;
    type Error = RedisFailure;

    async fn create(&self) -> Result<PrimaryConnection, RedisFailure> {
        // The version first: a change meanwhile makes the connection count as outdated.
        let version = self.primary_version().await?;
        let connection = self.open(&Node::Primary).await?;
        Ok(PrimaryConnection {
            connection,
            version,
        })
    }

    async fn recycle(
        &self,
        pooled: &mut PrimaryConnection,
        _: &Metrics,
    ) -> RecycleResult<RedisFailure> {
        if pooled.version != self.primary_version().await? {
            return Err(demoted().into());
        }
        let pong = redis::cmd("PING").exec_async(&mut pooled.connection).await;
        Ok(pong.map_err(|error| RedisFailure::from_error(&error))?)
    }
}

/// Checks that the server is a primary.
async fn check_role(connection: &mut MultiplexedConnection) -> Result<(), RedisFailure> {
    let role: RedisResult<Vec<Value>> = redis::cmd("ROLE").query_async(connection).await;
    let role = role.map_err(|error| RedisFailure::from_error(&error))?;
    let primary = Value::BulkString(b"master".to_vec());
    if role.first() == Some(&primary) {
        return Ok(());
    }
    Err(demoted())
}

fn demoted() -> RedisFailure {
    RedisFailure::Transient("the server is not the primary".to_owned())
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
