//! Starts a product on an empty store.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::nginx;
use super::products::Product;
use super::stopped::StoppedProcess;
use crate::bench::jetstream::{self, NatsClient};
use crate::bench::resources;
use crate::bench::server::{BenchServer, Binaries, ServerKind, ServerLaunch};
use crate::http_client::HttpClient;
use crate::process::{self, Process};

/// The stream of `JetStream` and its subject.
const STREAM: &str =
    r#"{"name":"bench","subjects":["bench"],"storage":"file","retention":"limits"}"#;
/// The line of `JetStream`'s configuration that syncs before each acknowledgement.
const SYNCED: &str = "  sync_interval: always\n";
const S2_RECORDS: &str = r#"{"basins":[{"name":"bench-basin","streams":[{"name":"bench"}]}]}"#;

/// What every start needs.
#[derive(Clone, Copy, Debug)]
struct PeerStage<'a> {
    binaries: &'a Binaries,
    workers: usize,
    /// A directory of this start alone, for logs and stores.
    directory: &'a Path,
}

/// The server, by how it is stopped.
#[derive(Debug)]
enum PeerServer {
    Ours(BenchServer),
    Other(StoppedProcess),
    /// The Redis beside it is all.
    None,
}

/// A product that runs.
#[derive(Debug)]
pub(super) struct RunningProduct {
    pub(super) address: SocketAddr,
    server: PeerServer,
    redis: Option<Process>,
    /// Its logs and stores: removed after both have ended.
    directory: TempDir,
}

/// CPU time in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct CpuTime {
    pub(super) server: f64,
    pub(super) redis: f64,
}

impl RunningProduct {
    /// Starts it in a new directory below `parent`. `Ok(None)` if its installed version has no such mode.
    pub(super) fn start(
        product: Product,
        binaries: &Binaries,
        workers: usize,
        parent: &Path,
    ) -> Result<Option<Self>, String> {
        let directory = tempfile::tempdir_in(parent).map_err(|error| error.to_string())?;
        let stage = &PeerStage {
            binaries,
            workers,
            directory: directory.path(),
        };
        let redis_address = process::free_address()?;
        let redis = product
            .uses_redis()
            .then(|| process::redis(redis_address, stage.directory))
            .transpose()?;
        if product == Product::RedisAlone {
            return Ok(Some(Self {
                address: redis_address,
                server: PeerServer::None,
                redis,
                directory,
            }));
        }
        let store = match product {
            Product::Embedded => format!("file:{}", stage.directory.join("bench.db").display()),
            Product::Redis => format!("redis://{redis_address}"),
            _ => "memory:".to_owned(),
        };
        let address = process::free_address()?;
        let server = match product {
            Product::Bare => ours(ServerKind::Bare, stage, &store),
            Product::Memory | Product::Embedded | Product::Redis | Product::RedisAlone => {
                ours(ServerKind::Posthorn, stage, &store)
            }
            Product::NchanMemory => nchan(address, stage, None),
            Product::NchanRedis => nchan(address, stage, Some(redis_address)),
            Product::DurableStreams => durable_streams(address, stage),
            Product::S2 => s2(address, stage),
            Product::JetStream => nats(address, stage, ""),
            Product::JetStreamSynced => {
                if !knows_synced(address, stage) {
                    return Ok(None);
                }
                nats(address, stage, SYNCED)
            }
        }?;
        let address = match &server {
            PeerServer::Ours(server) => server.address,
            PeerServer::Other(_) | PeerServer::None => address,
        };
        Ok(Some(Self {
            address,
            server,
            redis,
            directory,
        }))
    }

    /// The directory of its logs and stores.
    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The CPU time so far.
    pub(super) fn cpu_time(&self) -> Result<CpuTime, String> {
        let server = match &self.server {
            PeerServer::Ours(server) => resources::processor_seconds(server.id())?,
            PeerServer::Other(server) => resources::tree_processor_seconds(server.id())?,
            PeerServer::None => 0.0,
        };
        let redis = self.redis.as_ref().map(Process::id);
        let redis = redis.map_or(Ok(0.0), resources::processor_seconds)?;
        Ok(CpuTime { server, redis })
    }
}

fn ours(kind: ServerKind, stage: &PeerStage<'_>, store: &str) -> Result<PeerServer, String> {
    let launch = ServerLaunch {
        binary: stage.binaries.of(kind),
        workers: stage.workers,
        directory: stage.directory,
        store,
    };
    BenchServer::start(kind, &launch).map(PeerServer::Ours)
}

fn nchan(
    address: SocketAddr,
    stage: &PeerStage<'_>,
    redis: Option<SocketAddr>,
) -> Result<PeerServer, String> {
    nginx::start(address, stage.workers, stage.directory, redis).map(PeerServer::Other)
}

fn durable_streams(address: SocketAddr, stage: &PeerStage<'_>) -> Result<PeerServer, String> {
    let mut command = Command::new("durable-streams-server");
    command.arg("--port").arg(address.port().to_string());
    command.arg("--data-dir").arg(stage.directory.join("data"));
    let log = stage.directory.join("durable-streams.log");
    let process = Process::start("durable-streams-server", &mut command, &log)?;
    let server = StoppedProcess::up(process, || TcpStream::connect(address).is_ok())?;
    created(HttpClient::new(address).put("/bench", ""))?;
    Ok(PeerServer::Other(server))
}

fn s2(address: SocketAddr, stage: &PeerStage<'_>) -> Result<PeerServer, String> {
    let streams = stage.directory.join("streams.json");
    std::fs::write(&streams, S2_RECORDS).map_err(|error| error.to_string())?;
    let mut command = Command::new("s2");
    command
        .arg("lite")
        .arg("--port")
        .arg(address.port().to_string());
    command
        .arg("--local-root")
        .arg(stage.directory.join("data"));
    command.arg("--init-file").arg(streams);
    let process = Process::start("s2", &mut command, &stage.directory.join("s2.log"))?;
    let is_up = || {
        HttpClient::new(address)
            .get("/health")
            .is_ok_and(|a| a.status == 200)
    };
    StoppedProcess::up(process, is_up).map(PeerServer::Other)
}

fn nats(address: SocketAddr, stage: &PeerStage<'_>, storage: &str) -> Result<PeerServer, String> {
    let process = jetstream::start(address, stage.directory, storage)?;
    let server = StoppedProcess::up(process, || true)?;
    NatsClient::connect(address)
        .and_then(|mut client| client.request("$JS.API.STREAM.CREATE.bench", STREAM))
        .map_err(|error| format!("NATS: {error}"))?;
    Ok(PeerServer::Other(server))
}

/// True if the installed NATS accepts the line that syncs before each acknowledgement.
fn knows_synced(address: SocketAddr, stage: &PeerStage<'_>) -> bool {
    let Ok(path) = jetstream::configure(address, stage.directory, SYNCED) else {
        return false;
    };
    crate::shell::succeeds(Command::new("nats-server").arg("-t").arg("-c").arg(path))
}

fn created(response: std::io::Result<crate::http_client::Response>) -> Result<(), String> {
    match response {
        Ok(response) if response.status < 300 => Ok(()),
        Ok(response) => Err(format!("{}: {}", response.status, response.body)),
        Err(error) => Err(error.to_string()),
    }
}
