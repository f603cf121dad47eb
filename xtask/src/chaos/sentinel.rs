//! A Redis primary with two replicas, monitored by three Sentinels.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::fail_overs::FailOver;
use super::history::Crash;
use super::nodes::{ReplicationNode, SYNCED};
use super::pods::stable_address;
use super::random::Random;
use super::wall_clock::{Millis, now};

const SERVICE: &str = "chaos";
const NODES: usize = 3;
const SENTINELS: usize = 3;
/// How long a server may use a demoted primary, whose grants are lost, in milliseconds.
const STALENESS: Millis = 1_000;
/// The settings of the monitored primary.
const CONFIGURATION: &str = "down-after-milliseconds 500,failover-timeout 5000,parallel-syncs 2";

/// The processes.
pub(super) struct SentinelSet {
    nodes: Vec<ReplicationNode>,
    sentinels: Vec<ReplicationNode>,
}

impl SentinelSet {
    /// Starts all processes, with files in `directory`, and waits until they know each other.
    pub(super) fn start(directory: &Path, random: &mut Random) -> Result<Self, String> {
        let mut nodes: Vec<ReplicationNode> = Vec::new();
        for number in 0..NODES {
            let primary = nodes.first().map(|node| node.address);
            let directory = directory.join(format!("redis-{number}"));
            nodes.push(data_node(directory, primary, random)?);
        }
        let primary = nodes.first().ok_or("there is no node")?.address;
        let mut set = Self {
            nodes,
            sentinels: Vec::new(),
        };
        set.wait_for("the replicas", |set| set.replicas(primary) == NODES - 1)?;
        for number in 0..SENTINELS {
            let directory = directory.join(format!("sentinel-{number}"));
            let sentinel = sentinel_node(directory, primary, random)?;
            set.sentinels.push(sentinel);
        }
        set.wait_until_complete()?;
        Ok(set)
    }

    /// The URL of the store.
    pub(super) fn url(&self) -> String {
        let sentinels = self.sentinels.iter().map(|node| node.address.to_string());
        let sentinels: Vec<_> = sentinels.collect();
        format!("redis+sentinel://{}/{SERVICE}", sentinels.join(","))
    }

    /// Waits until the primary has all replicas, and all Sentinels name it and know them.
    fn wait_until_complete(&self) -> Result<(), String> {
        self.wait_for("all replicas and Sentinels", |set| {
            let Ok(primary) = set.primary() else {
                return false;
            };
            let others = (SENTINELS - 1).to_string();
            set.replicas(primary) == NODES - 1
                && set.sentinels.iter().all(|sentinel| {
                    let reply = sentinel.call(&["SENTINEL", "MASTER", SERVICE]);
                    let reply = reply.unwrap_or_default();
                    field(&reply, "flags") == Some("master")
                        && field(&reply, "num-slaves") == Some("2")
                        && field(&reply, "num-other-sentinels") == Some(&others)
                        && named_primary(sentinel) == Some(primary)
                })
        })
    }

    /// True if every Sentinel names one primary that is not `old` and accepts writes.
    fn is_primary_after(&self, old: SocketAddr) -> bool {
        let mut named = self.sentinels.iter().map(named_primary);
        let Some(Some(new)) = named.next() else {
            return false;
        };
        let node = self.nodes.iter().find(|node| node.address == new);
        let role = node.map(|node| node.call(&["ROLE"]).unwrap_or_default());
        new != old
            && named.all(|other| other == Some(new))
            && role.is_some_and(|role| role.starts_with("master"))
    }

    fn primary(&self) -> Result<SocketAddr, String> {
        let mut named = self.sentinels.iter().filter_map(named_primary);
        named.next().ok_or_else(|| "no Sentinel replies".to_owned())
    }

    /// The number of replicas that follow the primary.
    fn replicas(&self, primary: SocketAddr) -> usize {
        let node = self.nodes.iter().find(|node| node.address == primary);
        let info = node.and_then(|node| node.call(&["INFO", "replication"]).ok());
        info.unwrap_or_default().matches("state=online").count()
    }
}

impl FailOver for SentinelSet {
    /// Has a Sentinel promote a replica.
    fn planned(&mut self) -> Result<Crash, String> {
        self.wait_until_complete()?;
        let (old, before) = (self.primary()?, now());
        let sentinel = self.sentinels.first().ok_or("there is no Sentinel")?;
        sentinel.call(&["SENTINEL", "FAILOVER", SERVICE])?;
        self.wait_for("a new primary", |set| set.is_primary_after(old))?;
        Ok(Crash {
            before,
            after: now() + STALENESS,
        })
    }

    fn forced(&mut self) -> Result<Crash, String> {
        self.wait_until_complete()?;
        let (old, before) = (self.primary()?, now());
        let find = |node: &&mut ReplicationNode| node.address == old;
        let node = self.nodes.iter_mut().find(find);
        node.ok_or("the primary is unknown")?.kill();
        self.wait_for("a new primary", |set| set.is_primary_after(old))?;
        let after = now() + STALENESS;
        let node = self.nodes.iter_mut().find(find);
        node.ok_or("the primary is unknown")?.launch()?;
        Ok(Crash { before, after })
    }
}

/// Starts a server of data; a replica if there is a `primary`.
fn data_node(
    directory: PathBuf,
    primary: Option<SocketAddr>,
    random: &mut Random,
) -> Result<ReplicationNode, String> {
    let address = stable_address(random)?;
    let mut arguments: Vec<String> = SYNCED.map(str::to_owned).into();
    if let Some(primary) = primary {
        let (host, port) = (primary.ip().to_string(), primary.port().to_string());
        arguments.extend(["--replicaof".to_owned(), host, port]);
    }
    ReplicationNode::start(address, directory, arguments)
}

/// Starts a Sentinel.
fn sentinel_node(
    directory: PathBuf,
    primary: SocketAddr,
    random: &mut Random,
) -> Result<ReplicationNode, String> {
    let address = stable_address(random)?;
    let (host, port) = (primary.ip(), primary.port());
    let mut file = format!(
        "port {}\nsentinel monitor {SERVICE} {host} {port} {}\n",
        address.port(),
        SENTINELS / 2 + 1
    );
    for setting in CONFIGURATION.split(',') {
        let (name, value) = setting.split_once(' ').unwrap_or((setting, ""));
        file += &format!("sentinel {name} {SERVICE} {value}\n");
    }
    std::fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
    let path = directory.join("sentinel.conf");
    std::fs::write(&path, file).map_err(|error| error.to_string())?;
    let arguments = vec![path.display().to_string(), "--sentinel".to_owned()];
    ReplicationNode::start(address, directory, arguments)
}

/// The primary that a Sentinel names.
fn named_primary(sentinel: &ReplicationNode) -> Option<SocketAddr> {
    let question = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE];
    let reply = sentinel.call(&question).ok()?;
    let (host, port) = reply.trim().split_once('\n')?;
    format!("{host}:{port}").parse().ok()
}

/// The value of a field in a reply of alternating names and values.
fn field<'a>(reply: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = reply.lines();
    while let Some(found) = lines.next() {
        let value = lines.next();
        if found == name {
            return value;
        }
    }
    None
}
