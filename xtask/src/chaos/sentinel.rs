//! A Redis primary with two replicas, monitored by three Sentinels.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::fail_overs::{FailOver, PrimaryEpoch, SeenPrimary};
use super::history::Crash;
use super::nodes::{ReplicationNode, SYNCED};
use super::pods::stable_address;
use super::random::Random;
use super::wall_clock::{Millis, now};
use crate::process::{poll, poll_for};

pub(super) const SERVICE: &str = "chaos";
const NODES: usize = 3;
const SENTINELS: usize = 3;
/// The settings of the monitored primary. A busy machine may keep a healthy server from replying for a second.
const CONFIGURATION: &str = "down-after-milliseconds 2000,failover-timeout 5000,parallel-syncs 2";
/// How long the Sentinels may take to replace a primary: they see it as down, vote, and may have to vote once more.
const REPLACEMENT: Duration = Duration::from_secs(30);
/// How often a primary is killed for one fail-over.
const ATTEMPTS: usize = 4;
/// Periods of the Sentinels, in milliseconds. A Sentinel that did not run for two seconds does nothing for the tilt
/// period, which is 30 seconds by default: on a busy machine that can happen again and again. It learns of replicas
/// each info period (10 seconds), and demotes an old primary after four publish periods (2 seconds each).
const PERIODS: [(&str, &str); 3] = [
    ("tilt-period", "1000"),
    ("info-period", "1000"),
    ("publish-period", "1000"),
];

/// The processes.
pub(super) struct SentinelSet {
    nodes: Vec<ReplicationNode>,
    sentinels: Vec<ReplicationNode>,
    last: SeenPrimary,
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
        let address = primary;
        let mut set = Self {
            nodes,
            sentinels: Vec::new(),
            last: SeenPrimary::new(PrimaryEpoch { address, epoch: 0 }),
        };
        set.wait_for("the replicas", |set| set.replicas(primary) == NODES - 1)?;
        for number in 0..SENTINELS {
            let directory = directory.join(format!("sentinel-{number}"));
            let sentinel = sentinel_node(directory, primary, random)?;
            set.sentinels.push(sentinel);
        }
        set.last = SeenPrimary::new(set.wait_until_complete()?);
        Ok(set)
    }

    /// The URL of the store.
    pub(super) fn url(&self) -> String {
        let sentinels = self.sentinels.iter().map(|node| node.address.to_string());
        let sentinels: Vec<_> = sentinels.collect();
        format!("redis+sentinel://{}/{SERVICE}", sentinels.join(","))
    }

    /// The addresses of the servers of data; the first one was the first primary.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.address).collect()
    }

    /// The addresses of the Sentinels.
    pub(super) fn sentinel_addresses(&self) -> Vec<SocketAddr> {
        self.sentinels.iter().map(|node| node.address).collect()
    }

    /// Waits until the primary has all replicas, and all Sentinels name it and know them.
    pub(super) fn wait_until_complete(&self) -> Result<PrimaryEpoch, String> {
        let mut found = None;
        poll(|| {
            found = self.complete_primary();
            found.is_some()
        });
        found.ok_or_else(|| "all replicas and Sentinels: not within a minute".to_owned())
    }

    /// The primary, if it has all replicas, and all Sentinels name it and know them.
    fn complete_primary(&self) -> Option<PrimaryEpoch> {
        let primary = self.primary()?;
        let others = (SENTINELS - 1).to_string();
        let is_complete = self.replicas(primary.address) == NODES - 1
            && self.sentinels.iter().all(|sentinel| {
                let reply = master(sentinel);
                field(&reply, "flags") == Some("master")
                    && field(&reply, "num-slaves") == Some("2")
                    && field(&reply, "num-other-sentinels") == Some(&others)
            });
        is_complete.then_some(primary)
    }

    /// The primary that all Sentinels name, if it accepts writes.
    fn primary(&self) -> Option<PrimaryEpoch> {
        let mut named = self.sentinels.iter().map(named_primary);
        let first = named.next()??;
        let node = self
            .nodes
            .iter()
            .find(|node| node.address == first.address)?;
        let is_agreed = named.all(|other| other == Some(first));
        let role = node.call(&["ROLE"]).unwrap_or_default();
        (is_agreed && role.starts_with("master")).then_some(first)
    }

    /// Waits for the next primary after `old` and returns the time in which writes may have been lost. Calls `order` as
    /// long as the old one remains.
    fn wait_for_successor(
        &mut self,
        old: PrimaryEpoch,
        before: Millis,
        order: impl Fn(&Self),
    ) -> Result<Crash, String> {
        let mut found = None;
        poll_for(REPLACEMENT, || {
            let primary = self.primary();
            if primary == Some(old) {
                order(self);
            }
            // Compared by their epochs: a busy machine can make the old primary the next but one.
            found = primary.filter(|new| new.epoch > old.epoch);
            found.is_some()
        });
        let new = found.ok_or("the Sentinels name no new primary")?;
        Ok(self.last.replace(new, old, before))
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
        let (old, before) = (self.wait_until_complete()?, now());
        // The order is repeated. A Sentinel refuses it while it takes no replica for a good one; and gives up, without
        // another try, if the replica is not seen as promoted within the fail-over timeout (`-failover-abort`).
        self.wait_for_successor(old, before, |set| {
            if let Some(sentinel) = set.sentinels.first()
                && field(&master(sentinel), "flags") == Some("master")
            {
                // A refusal is no failure of `redis-cli`.
                let _ = sentinel.call(&["SENTINEL", "FAILOVER", SERVICE]);
            }
        })
    }

    fn forced(&mut self) -> Result<Crash, String> {
        let (first, before) = (self.wait_until_complete()?, now());
        let mut failure = String::new();
        for _ in 0..ATTEMPTS {
            let old = self.wait_until_complete()?;
            if old.epoch > first.epoch {
                return Ok(self.last.replace(old, first, before));
            }
            let find = |node: &&mut ReplicationNode| node.address == old.address;
            let node = self.nodes.iter_mut().find(find);
            node.ok_or("the primary is unknown")?.kill();
            let outcome = self.wait_for_successor(old, before, |_| ());
            let node = self.nodes.iter_mut().find(find);
            node.ok_or("the primary is unknown")?.launch()?;
            match outcome {
                Ok(crash) => return Ok(crash),
                // On a machine that stood still, the Sentinels notice the failure late, and then promote no replica ever
                // (`-failover-abort-no-good-slave`): the replicas have been without the primary for longer than ten
                // times `down-after-milliseconds` before it. It has to come back first.
                Err(error) => failure = error,
            }
        }
        Err(failure)
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
    let node = ReplicationNode::start(address, directory, arguments)?;
    for (name, value) in PERIODS {
        node.call(&["SENTINEL", "DEBUG", name, value])?;
    }
    Ok(node)
}

/// The monitored primary as a Sentinel describes it; nothing while the Sentinel is down.
fn master(sentinel: &ReplicationNode) -> String {
    let question = ["SENTINEL", "MASTER", SERVICE];
    sentinel.call(&question).unwrap_or_default()
}

/// The primary that a Sentinel names.
fn named_primary(sentinel: &ReplicationNode) -> Option<PrimaryEpoch> {
    let reply = master(sentinel);
    let (host, port) = (field(&reply, "ip")?, field(&reply, "port")?);
    Some(PrimaryEpoch {
        address: format!("{host}:{port}").parse().ok()?,
        epoch: field(&reply, "config-epoch")?.parse().ok()?,
    })
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
