//! The servers and the store of a run, and the faults that strike them.

use std::net::SocketAddr;
use std::path::Path;

use super::cluster::ClusterSet;
use super::fail_overs::FailOvers;
use super::history::Crash;
use super::pods::{ChaosPod, stable_address};
use super::random::Random;
use super::sentinel::SentinelSet;
use super::wall_clock::{now, pause};
use crate::process::{self, Process};

/// The kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoreKind {
    /// The embedded store; a crash of the server is one of the store.
    File,
    /// A Redis that syncs every write.
    Redis,
    /// A Redis primary with two replicas and three Sentinels, used by two servers.
    Sentinel(FailOvers),
    /// A Redis Cluster of three primaries with a replica each, used by two servers.
    Cluster(FailOvers),
}

/// Everything that runs.
pub(super) struct Stage {
    pods: Vec<ChaosPod>,
    store: Store,
}

enum Store {
    File,
    Redis(RedisNode),
    Sentinel(SentinelSet, FailOvers),
    Cluster(ClusterSet, FailOvers),
}

/// A Redis that starts again at its address and with its files.
struct RedisNode {
    address: SocketAddr,
    directory: std::path::PathBuf,
    running: Option<Process>,
}

impl Stage {
    /// Starts the store and the servers, with files in `directory`.
    pub(super) fn start(
        kind: StoreKind,
        binary: &Path,
        directory: &Path,
        random: &mut Random,
    ) -> Result<Self, String> {
        let (store, url, durability, pods) = match kind {
            StoreKind::File => {
                let url = format!("file:{}", directory.join("chaos.db").display());
                (Store::File, url, "synced", 1)
            }
            StoreKind::Redis => {
                let node = RedisNode::start(directory, random)?;
                let url = format!("redis://{}", node.address);
                (Store::Redis(node), url, "synced", 1)
            }
            StoreKind::Sentinel(fail_overs) => {
                let set = SentinelSet::start(directory, random)?;
                let url = set.url();
                (Store::Sentinel(set, fail_overs), url, "replicated", 2)
            }
            StoreKind::Cluster(fail_overs) => {
                let set = ClusterSet::start(directory, random)?;
                let url = set.url();
                (Store::Cluster(set, fail_overs), url, "replicated", 2)
            }
        };
        let environment = vec![
            ("STORE_URL", url),
            ("STORE_DURABILITY", durability.to_owned()),
        ];
        let start = |_| ChaosPod::start(binary, directory, environment.clone(), random);
        let pods = (0..pods).map(start).collect::<Result<_, _>>()?;
        Ok(Self { pods, store })
    }

    /// The addresses of the servers.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.pods.iter().map(|pod| pod.address).collect()
    }

    /// Strikes with a random fault and waits until the servers are ready again. Returns what it did
    /// and the crashes of the store.
    pub(super) fn strike(
        &mut self,
        random: &mut Random,
    ) -> Result<(&'static str, Vec<Crash>), String> {
        let (fault, crashes) = match &mut self.store {
            Store::File => ("server killed", vec![kill(&mut self.pods, random)?]),
            Store::Redis(node) => match random.below(3) {
                0 => {
                    kill(&mut self.pods, random)?;
                    ("server killed", Vec::new())
                }
                1 => ("Redis killed", vec![node.crash(random)?]),
                _ => {
                    let before = now();
                    node.running = None;
                    let crash = Crash {
                        before,
                        after: now(),
                    };
                    kill(&mut self.pods, random)?;
                    node.launch()?;
                    ("server and Redis killed", vec![crash])
                }
            },
            Store::Sentinel(set, fail_overs) => fail_overs.strike(set, random)?,
            Store::Cluster(set, fail_overs) => fail_overs.strike(set, random)?,
        };
        for pod in &mut self.pods {
            pod.wait_until_ready()?;
        }
        Ok((fault, crashes))
    }
}

/// Kills a server and starts it again.
fn kill(pods: &mut [ChaosPod], random: &mut Random) -> Result<Crash, String> {
    let count = u64::try_from(pods.len()).unwrap_or(1);
    let index = usize::try_from(random.below(count)).unwrap_or_default();
    let pod = pods.get_mut(index).ok_or("there is no server")?;
    let before = now();
    pod.kill();
    let after = now();
    pause(random.below(50));
    pod.launch()?;
    Ok(Crash { before, after })
}

impl RedisNode {
    fn start(directory: &Path, random: &mut Random) -> Result<Self, String> {
        let mut node = Self {
            address: stable_address(random)?,
            directory: directory.to_owned(),
            running: None,
        };
        node.launch()?;
        Ok(node)
    }

    fn launch(&mut self) -> Result<(), String> {
        self.running = Some(process::redis(self.address, &self.directory)?);
        Ok(())
    }

    fn crash(&mut self, random: &mut Random) -> Result<Crash, String> {
        let before = now();
        self.running = None;
        let after = now();
        pause(random.below(100));
        self.launch()?;
        Ok(Crash { before, after })
    }
}
