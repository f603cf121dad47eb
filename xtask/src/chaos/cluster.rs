//! A Redis Cluster of three primaries, each with a replica.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::fail_overs::{FailOver, PrimaryEpoch, SeenPrimary};
use super::history::Crash;
use super::nodes::{ReplicationNode, SYNCED};
use super::pods::stable_address;
use super::random::Random;
use super::wall_clock::{Millis, now};
use crate::process::poll_for;
use crate::shell::output;

const NODES: usize = 6;
/// A key of the topic that the clients use.
const KEY: &str = "posthorn:{t:chaos}:messages";
/// After how many milliseconds without a reply a node fails. A busy machine may keep a healthy one from replying for a
/// second.
const NODE_TIMEOUT: &str = "2000";
/// How long to wait for a replica that is ordered to take over: it gives up after five seconds.
const TAKEOVER: Duration = Duration::from_secs(6);
/// How long the nodes may take to replace a primary that was killed.
const REPLACEMENT: Duration = Duration::from_mins(1);
/// How often a replica is ordered to take over for one fail-over.
const ATTEMPTS: usize = 8;

/// The processes.
pub(super) struct ClusterSet {
    nodes: Vec<ReplicationNode>,
    /// The slot of the topic.
    slot: u16,
    /// The primary of the topic.
    last: SeenPrimary,
}

/// A node as `CLUSTER NODES` describes it.
#[derive(Clone, Debug)]
struct ClusterMember {
    id: String,
    address: SocketAddr,
    /// The id of its primary; `None` for a primary.
    primary: Option<String>,
    /// The number of the fail-over that promoted it or its primary.
    epoch: u64,
    is_failing: bool,
    slots: Vec<(u16, u16)>,
}

impl ClusterSet {
    /// Starts all processes, with files in `directory`, and waits until they are a cluster.
    pub(super) fn start(directory: &Path, random: &mut Random) -> Result<Self, String> {
        let mut nodes: Vec<ReplicationNode> = Vec::new();
        for number in 0..NODES {
            let (address, bus) = (stable_address(random)?, stable_address(random)?);
            let mut arguments: Vec<String> = SYNCED.map(str::to_owned).into();
            let port = bus.port().to_string();
            let cluster = [
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                &port,
                "--cluster-node-timeout",
                NODE_TIMEOUT,
                "--cluster-replica-validity-factor",
                "0",
            ];
            arguments.extend(cluster.map(str::to_owned));
            let directory = directory.join(format!("redis-{number}"));
            nodes.push(ReplicationNode::start(address, directory, arguments)?);
        }
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]);
        create.args(nodes.iter().map(|node| node.address.to_string()));
        create.args(["--cluster-replicas", "1", "--cluster-yes"]);
        output(&mut create)?;
        let first = nodes.first().ok_or("there is no node")?;
        let slot = first.call(&["CLUSTER", "KEYSLOT", KEY])?;
        let slot = slot.trim().parse().map_err(|_| "no slot".to_owned())?;
        let address = first.address;
        let last = SeenPrimary::new(PrimaryEpoch { address, epoch: 0 });
        let mut set = Self { nodes, slot, last };
        set.last = SeenPrimary::new(set.wait_until_complete()?);
        Ok(set)
    }

    /// The URL of the store.
    pub(super) fn url(&self) -> String {
        let nodes = self.nodes.iter().map(|node| node.address.to_string());
        format!("redis+cluster://{}", nodes.collect::<Vec<_>>().join(","))
    }

    fn node(&mut self, address: SocketAddr) -> Result<&mut ReplicationNode, String> {
        let mut nodes = self.nodes.iter_mut();
        let found = nodes.find(|node| node.address == address);
        found.ok_or_else(|| format!("there is no node {address}"))
    }

    /// The primary of the topic, as all nodes that run name it.
    fn primary(&self) -> Option<PrimaryEpoch> {
        let running = self.nodes.iter().filter(|node| node.is_running());
        let mut named = running.map(|node| {
            let members = members(node);
            let owner = members.into_iter().find(|member| member.owns(self.slot));
            owner.map(|member| PrimaryEpoch {
                address: member.address,
                epoch: member.epoch,
            })
        });
        let first = named.next()??;
        named.all(|other| other == Some(first)).then_some(first)
    }

    /// Waits until each primary has a replica that follows it, and all nodes agree.
    fn wait_until_complete(&self) -> Result<PrimaryEpoch, String> {
        self.wait_for("all nodes", |set| {
            set.primary().is_some()
                && set.nodes.iter().all(|node| {
                    let members = members(node);
                    let replicas = members.iter().filter(|one| one.primary.is_some());
                    let is_whole = replicas.count() == NODES / 2 && members.len() == NODES;
                    is_whole && members.iter().all(|one| !one.is_failing) && is_linked(node)
                })
        })?;
        self.primary()
            .ok_or_else(|| "the primary is unknown".to_owned())
    }

    /// Waits for the next primary after `old` and returns the time in which writes may have been lost.
    fn wait_for_successor(
        &mut self,
        old: PrimaryEpoch,
        before: Millis,
        timeout: Duration,
    ) -> Result<Crash, String> {
        let mut found = None;
        poll_for(timeout, || {
            found = self.primary().filter(|new| new.epoch > old.epoch);
            found.is_some()
        });
        let new = found.ok_or("the cluster has no new primary")?;
        Ok(self.last.replace(new, old, before))
    }

    /// Has a replica of the primary take over. It may give up, which is no failure of `redis-cli`.
    fn order(&mut self, primary: SocketAddr) -> Result<(), String> {
        let members = members(self.node(primary)?);
        let id = members.iter().find(|one| one.address == primary);
        let id = id.map(|one| one.id.clone());
        let mut replicas = members.iter();
        let replica = replicas.find(|one| id.is_some() && one.primary == id);
        let replica = replica.ok_or("the primary has no replica")?.address;
        self.node(replica)?.call(&["CLUSTER", "FAILOVER"]).map(drop)
    }
}

impl FailOver for ClusterSet {
    fn planned(&mut self) -> Result<Crash, String> {
        let (old, before) = (self.wait_until_complete()?, now());
        let mut failure = String::new();
        for _ in 0..ATTEMPTS {
            self.order(old.address)?;
            match self.wait_for_successor(old, before, TAKEOVER) {
                Ok(crash) => return Ok(crash),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    fn forced(&mut self) -> Result<Crash, String> {
        let (old, before) = (self.wait_until_complete()?, now());
        self.node(old.address)?.kill();
        let crash = self.wait_for_successor(old, before, REPLACEMENT);
        self.node(old.address)?.launch()?;
        crash
    }
}

impl ClusterMember {
    /// Parses a line of `CLUSTER NODES`: id, address, flags, primary, two times, epoch, state of the link, slots.
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split_whitespace();
        let id = fields.next()?.to_owned();
        let address = fields.next()?.split('@').next()?.parse().ok()?;
        let flags = fields.next()?;
        let primary = fields.next().filter(|id| *id != "-");
        let epoch = fields.nth(2)?.parse().ok()?;
        let slots = fields.skip(1).filter_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            Some((first.parse().ok()?, last.parse().ok()?))
        });
        Some(Self {
            id,
            address,
            primary: primary.map(str::to_owned),
            epoch,
            is_failing: flags.contains("fail") || flags.contains("handshake"),
            slots: slots.collect(),
        })
    }

    fn owns(&self, slot: u16) -> bool {
        let mut ranges = self.slots.iter();
        ranges.any(|(first, last)| (*first..=*last).contains(&slot))
    }
}

/// The cluster as `node` knows it; nothing while it is down.
fn members(node: &ReplicationNode) -> Vec<ClusterMember> {
    let reply = node.call(&["CLUSTER", "NODES"]).unwrap_or_default();
    reply.lines().filter_map(ClusterMember::parse).collect()
}

/// True if `node` serves all slots, and has a replica that is up to date or is one.
fn is_linked(node: &ReplicationNode) -> bool {
    let call = |command: &[&str]| node.call(command).unwrap_or_default();
    let replication = call(&["INFO", "replication"]);
    call(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
        && (replication.contains("state=online") || replication.contains("master_link_status:up"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_of_a_slot_and_its_replica_are_found() {
        let primary = "a1 127.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-5460 5462";
        let primary = ClusterMember::parse(primary).unwrap();
        assert!(primary.owns(5460) && primary.owns(5462) && !primary.owns(5461));
        assert_eq!((primary.primary, primary.is_failing), (None, false));
        let replica = "b2 127.0.0.1:7003@17003 slave,fail a1 0 0 1 disconnected";
        let replica = ClusterMember::parse(replica).unwrap();
        assert_eq!(replica.primary.as_deref(), Some("a1"));
        assert!(replica.is_failing && replica.slots.is_empty());
    }
}
