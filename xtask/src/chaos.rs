//! `cargo xtask chaos`: kills servers and stores while writers send and workers acknowledge, reject, stall
//! and die. At the end every accepted message must be acknowledged or dead, none was handed out after its
//! acknowledgement, and no two valid leases overlapped.

mod bare_redis;
mod calls;
mod clients;
mod clock;
mod cluster;
mod disk;
mod fail_overs;
mod history;
mod judge;
mod losses;
mod memory;
mod nodes;
mod pods;
mod preload;
mod random;
mod sentinel;
mod stage;
mod wall_clock;

use std::net::SocketAddr;
use std::path::Path;

use crate::http_client::HttpClient;
use crate::{binary, programs};
use clients::Clients;
use clock::ClockStore;
use fail_overs::{FailOvers, STALENESS};
use history::{FinalCounts, History};
use judge::{ChaosVerdict, Promises};
use random::Random;
use stage::{Stage, StoreKind};
use wall_clock::{now, pause};

const MAX_ATTEMPTS: u64 = 5;
/// The shortest and the longest load between two faults, in milliseconds.
const LOAD: (u64, u64) = (300, 700);
/// The load after the last fault of a store with replicas: longer than servers may use a demoted primary, and leases last,
/// so that leases of the new primary are judged, too.
const LOAD_OF_NEW_PRIMARY: u64 = 2 * STALENESS + 2 * calls::LEASE;
/// The violations to print of one run.
const SHOWN: usize = 20;

/// How often the faults strike.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ChaosOptions {
    /// Faults on the embedded store, and as many on Redis.
    #[arg(long, default_value_t = 20)]
    rounds: u64,
    /// Fail-overs behind Sentinels by an order, while the primary runs, and as many in a Cluster.
    #[arg(long, default_value_t = 1)]
    planned: u64,
    /// Fail-overs behind Sentinels after the primary was killed, and as many in a Cluster.
    #[arg(long, default_value_t = 1)]
    forced: u64,
    /// Has as many fail-overs behind Sentinels again, with `synced` beside a bare client of Redis that always knows the
    /// primary, and compares what both lose.
    #[arg(long)]
    losses: bool,
    /// The seconds for which the wall clock is 400 days ahead; 0 for no such run.
    #[arg(long, default_value_t = 16)]
    clock: u64,
    /// Has each write and sync of the embedded store fail once.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    disk: bool,
    /// The clients of each kind that read nothing or send large bodies; 0 for no such run.
    #[arg(long, default_value_t = 1500)]
    unread: usize,
    /// The seed of all choices; another one in each run if absent.
    #[arg(long)]
    seed: Option<u64>,
}

/// The short runs of `ci`, which are steps of their own: each waits most of its time.
impl ChaosOptions {
    /// Faults on the embedded store and on Redis.
    pub(crate) const KILLS: Self = Self {
        rounds: 20,
        ..Self::NONE
    };
    /// Fail-overs behind Sentinels and in a Cluster.
    pub(crate) const FAIL_OVERS: Self = Self {
        planned: 1,
        forced: 1,
        ..Self::NONE
    };
    /// Clocks that jump, disks that fail, and clients that read nothing.
    pub(crate) const JUMPS: Self = Self {
        clock: 2,
        disk: true,
        unread: 200,
        ..Self::NONE
    };
    const NONE: Self = Self {
        rounds: 0,
        planned: 0,
        forced: 0,
        losses: false,
        clock: 0,
        disk: false,
        unread: 0,
        seed: None,
    };
}

/// Runs all scenarios.
///
/// # Errors
/// A broken promise, or a server that does not start.
pub(crate) fn run(root: &Path, options: &ChaosOptions) -> Result<(), String> {
    programs::ensure_package("redis-server", "redis-server")?;
    programs::ensure_package("redis-cli", "redis-tools")?;
    let binary = binary::debug(root)?;
    let seed = options.seed.unwrap_or_else(now);
    println!("chaos: `--seed {seed}` repeats the choices of this run");
    let mut random = Random::new(seed);
    let fail_overs = FailOvers {
        planned: options.planned,
        forced: options.forced,
    };
    let scenarios = [
        ("embedded store", StoreKind::File, options.rounds),
        (
            "Redis, every write synced",
            StoreKind::Redis,
            options.rounds,
        ),
        (
            "Redis with Sentinel, replicated",
            StoreKind::Sentinel(fail_overs),
            fail_overs.count(),
        ),
        (
            "Redis Cluster, replicated",
            StoreKind::Cluster(fail_overs),
            fail_overs.count(),
        ),
    ];
    let mut failed = Vec::new();
    for (name, kind, rounds) in scenarios {
        if rounds == 0 {
            continue;
        }
        let verdict = scenario(name, kind, rounds, &binary, &mut random.fork())
            .map_err(|error| format!("{name}: {error}; seed {seed}"))?;
        failed.extend(reported(name, &verdict.violations));
    }
    if options.losses && fail_overs.count() > 0 {
        let violations = losses::run(fail_overs, &binary, &mut random.fork())
            .map_err(|error| format!("losses: {error}; seed {seed}"))?;
        failed.extend(reported("losses", &violations));
    }
    failed.extend(jumps_and_floods(root, options, &binary, &mut random)?);
    if failed.is_empty() {
        return Ok(());
    }
    Err(format!("{}; seed {seed}", failed.join(", ")))
}

/// Runs the scenarios of the clock, the disk and memory, and returns those that failed.
fn jumps_and_floods(
    root: &Path,
    options: &ChaosOptions,
    binary: &Path,
    random: &mut Random,
) -> Result<Vec<String>, String> {
    let mut outcomes = Vec::new();
    if options.clock > 0 {
        for store in [ClockStore::File, ClockStore::Redis] {
            let violations = clock::run(store, options.clock, binary, random)?;
            outcomes.push(("clock", violations));
        }
    }
    if options.disk {
        outcomes.push(("disk", disk::run(binary, random)?));
    }
    if options.unread > 0 {
        let violations = memory::run(root, options.unread, binary, random)?;
        outcomes.push(("memory", violations));
    }
    let mut failed = Vec::new();
    for (name, violations) in outcomes {
        failed.extend(reported(name, &violations));
    }
    Ok(failed)
}

/// Prints violations and returns their number as a text; `None` if there are none.
fn reported(name: &str, violations: &[impl std::fmt::Display]) -> Option<String> {
    for violation in violations.iter().take(SHOWN) {
        println!("chaos: {name}: VIOLATION: {violation}");
    }
    let count = violations.len();
    (count > 0).then(|| format!("{name}: {count} violations"))
}

fn scenario(
    name: &str,
    kind: StoreKind,
    rounds: u64,
    binary: &Path,
    random: &mut Random,
) -> Result<ChaosVerdict, String> {
    let mut directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let outcome = scenario_in(directory.path(), name, kind, rounds, binary, random);
    if !matches!(&outcome, Ok(verdict) if verdict.violations.is_empty()) {
        directory.disable_cleanup(true);
        println!("chaos: {name}: logs in {}", directory.path().display());
    }
    outcome
}

/// Runs a scenario with files in `directory`.
fn scenario_in(
    directory: &Path,
    name: &str,
    kind: StoreKind,
    rounds: u64,
    binary: &Path,
    random: &mut Random,
) -> Result<ChaosVerdict, String> {
    let start = now();
    let mut stage = Stage::start(kind, binary, directory, random)?;
    let addresses = stage.addresses();
    let server = *addresses.first().ok_or("there is no server")?;
    calls::create(&mut HttpClient::new(server), MAX_ATTEMPTS).map_err(|error| error.to_string())?;
    let clients = Clients::start(&addresses, random)?;
    let mut crashes = Vec::new();
    let mut faults = std::collections::BTreeMap::<_, u32>::new();
    for _ in 0..rounds {
        pause(random.between(LOAD.0, LOAD.1));
        let (fault, crash) = stage.strike(random)?;
        *faults.entry(fault).or_default() += 1;
        crashes.extend(crash);
    }
    let has_replicas = matches!(kind, StoreKind::Sentinel(_) | StoreKind::Cluster(_));
    pause(if has_replicas {
        LOAD_OF_NEW_PRIMARY
    } else {
        LOAD.1
    });
    let mut history = clients.finish()?;
    history.crashes = crashes;
    history.leases.extend(clients::drain(server)?);
    read_end(server, &mut history).map_err(|error| error.to_string())?;
    let promises = Promises {
        max_attempts: MAX_ATTEMPTS,
        may_lose_unacknowledged: has_replicas,
    };
    let verdict = judge::judge(&history, promises);
    println!(
        "chaos: {name}: {faults:?} in {:.1} s; {} messages accepted, {} leases, {} dead letters; {} \
         leases void by a crash, {} violations",
        std::time::Duration::from_millis(now().saturating_sub(start)).as_secs_f64(),
        history.accepted.len(),
        history.leases.len(),
        history.dead.len(),
        verdict.void,
        verdict.violations.len(),
    );
    Ok(verdict)
}

/// Reads the topic, the dead letters and the counts.
fn read_end(server: SocketAddr, history: &mut History) -> std::io::Result<()> {
    let client = &mut HttpClient::new(server);
    history.stored = calls::topic(client)?;
    let mut next = Some(format!("{}/dead?limit=200", calls::CONSUMER));
    while let Some(path) = next {
        let page = calls::dead(client, &path)?;
        history.dead.extend(page.letters);
        next = page.next;
    }
    let status = calls::status(client)?;
    let number = |name| status.get(name).and_then(serde_json::Value::as_u64);
    history.counts = FinalCounts {
        waiting: number("waiting").unwrap_or(u64::MAX),
        in_flight: number("in_flight").unwrap_or(u64::MAX),
        dead: number("dead").unwrap_or(u64::MAX),
        missed: number("missed").unwrap_or(u64::MAX),
    };
    Ok(())
}
