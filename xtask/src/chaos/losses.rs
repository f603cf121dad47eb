//! What fail-overs behind Sentinels lose with `synced`, compared with a bare client of Redis that always knows the
//! primary: it loses what Redis had not replicated when the first Sentinel named the next one.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use super::bare_redis::BareRedis;
use super::calls::{self, MESSAGES};
use super::fail_overs::FailOvers;
use super::pods::ChaosPod;
use super::random::Random;
use super::sentinel::{SERVICE, SentinelSet};
use super::wall_clock::{Millis, now, pause};
use crate::http_client::HttpClient;

/// The writers of each kind.
const WRITERS: u64 = 3;
/// Each writer begins no more than one message in this time, in milliseconds: both kinds have the same pace.
const PERIOD: Millis = 5;
const SERVERS: usize = 2;
/// The stream of the bare client.
const BARE: &str = "bare";
/// The load before the first fail-over, after the last one and between two, in milliseconds.
const LOAD: Millis = 1_000;
/// How much later than the bare client a server may learn of a switch, in milliseconds of its writes.
const MARGIN: Millis = 1_000;

/// The texts that a kind of writer has a receipt of, and those that the store had at the end.
#[derive(Debug, Default)]
struct AcknowledgedTexts {
    acknowledged: BTreeSet<String>,
    found: BTreeSet<String>,
}

/// The writers of both kinds at work.
struct LossWriters {
    stop: Arc<AtomicBool>,
    through_servers: Vec<JoinHandle<Vec<String>>>,
    bare: Vec<JoinHandle<Vec<String>>>,
    watcher: JoinHandle<()>,
}

/// Runs the fail-overs, and returns what is wrong with the losses.
pub(super) fn run(
    fail_overs: FailOvers,
    binary: &Path,
    random: &mut Random,
) -> Result<Vec<String>, String> {
    let mut directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let outcome = run_in(directory.path(), fail_overs, binary, random);
    if !matches!(&outcome, Ok(violations) if violations.is_empty()) {
        directory.disable_cleanup(true);
        println!("chaos: losses: logs in {}", directory.path().display());
    }
    outcome
}

/// Runs the fail-overs with files in `directory`.
fn run_in(
    directory: &Path,
    mut fail_overs: FailOvers,
    binary: &Path,
    random: &mut Random,
) -> Result<Vec<String>, String> {
    let mut set = SentinelSet::start(directory, random)?;
    let environment = vec![
        ("STORE_URL", set.url()),
        ("STORE_DURABILITY", "synced".to_owned()),
    ];
    let start = |_| ChaosPod::start(binary, directory, environment.clone(), random);
    let mut pods: Vec<_> = (0..SERVERS).map(start).collect::<Result<_, _>>()?;
    let servers: Vec<_> = pods.iter().map(|pod| pod.address).collect();
    let count = fail_overs.count();
    let (begin, writers) = (now(), LossWriters::start(&servers, &set));
    for _ in 0..count {
        pause(LOAD);
        fail_overs.strike(&mut set, random)?;
        for pod in &mut pods {
            pod.wait_until_ready()?;
        }
    }
    pause(LOAD);
    let (mut served, mut bare) = writers.finish()?;
    let took = now().saturating_sub(begin);
    let primary = set.wait_until_complete()?.address;
    let mut client = HttpClient::new(*servers.first().ok_or("there is no server")?);
    let stored = calls::topic(&mut client).map_err(|error| error.to_string())?;
    served.found = stored.into_values().collect();
    bare.found = read_bare(primary)?;
    let margin = count * MARGIN;
    println!(
        "chaos: losses with `synced`: {count} fail-overs in {:.1} s; servers {} of {} acknowledged ({} ms of their \
         writes), a bare client {} of {} ({} ms); the margin is {margin} ms",
        std::time::Duration::from_millis(took).as_secs_f64(),
        served.lost(),
        served.acknowledged.len(),
        served.lost_time(took),
        bare.lost(),
        bare.acknowledged.len(),
        bare.lost_time(took),
    );
    Ok(judge(&served, &bare, took, margin))
}

/// Compares both losses as times, because a bare client writes more in the same time.
fn judge(
    served: &AcknowledgedTexts,
    bare: &AcknowledgedTexts,
    took: Millis,
    margin: Millis,
) -> Vec<String> {
    let mut violations = Vec::new();
    if served.acknowledged.is_empty() || bare.acknowledged.is_empty() {
        violations.push("nothing was acknowledged".to_owned());
    }
    let (lost, expected) = (served.lost_time(took), bare.lost_time(took));
    if lost > expected.saturating_add(margin) {
        violations.push(format!(
            "the servers lost {lost} ms of their writes, a bare client {expected} ms; {margin} ms more are permitted"
        ));
    }
    violations
}

impl AcknowledgedTexts {
    /// The number of acknowledged texts that the store does not have.
    fn lost(&self) -> u64 {
        let lost = self.acknowledged.difference(&self.found).count();
        u64::try_from(lost).unwrap_or(u64::MAX)
    }

    /// The time in which so many are acknowledged as were lost, at the pace of a run that `took` so long.
    fn lost_time(&self, took: Millis) -> Millis {
        let all = u64::try_from(self.acknowledged.len()).unwrap_or(u64::MAX);
        let time = self.lost().saturating_mul(took);
        time.checked_div(all).unwrap_or_default()
    }
}

impl LossWriters {
    fn start(servers: &[SocketAddr], set: &SentinelSet) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let primary = Arc::new(AtomicUsize::new(0));
        let nodes = set.addresses();
        let watcher = {
            let (sentinels, nodes) = (set.sentinel_addresses(), nodes.clone());
            let (primary, stop) = (Arc::clone(&primary), Arc::clone(&stop));
            thread::spawn(move || watch(&sentinels, &nodes, &primary, &stop))
        };
        let mut through_servers = Vec::new();
        let mut bare = Vec::new();
        for number in 0..WRITERS {
            let (servers, ended) = (servers.to_vec(), Arc::clone(&stop));
            let write = move || write_through(&servers, number, &ended);
            through_servers.push(thread::spawn(write));
            let (nodes, primary, ended) = (nodes.clone(), Arc::clone(&primary), Arc::clone(&stop));
            bare.push(thread::spawn(move || {
                write_bare(&nodes, &primary, number, &ended)
            }));
        }
        Self {
            stop,
            through_servers,
            bare,
            watcher,
        }
    }

    /// Stops the writers and returns what each kind has a receipt of: through servers, bare.
    fn finish(self) -> Result<(AcknowledgedTexts, AcknowledgedTexts), String> {
        self.stop.store(true, Ordering::Relaxed);
        let mut written = [AcknowledgedTexts::default(), AcknowledgedTexts::default()];
        for (writers, written) in [self.through_servers, self.bare]
            .into_iter()
            .zip(&mut written)
        {
            for writer in writers {
                let texts = writer.join().map_err(|_| "a writer panicked")?;
                written.acknowledged.extend(texts);
            }
        }
        self.watcher.join().map_err(|_| "the watcher panicked")?;
        Ok(written.into())
    }
}

/// Follows the primary: the one that the Sentinel with the latest fail-over names.
fn watch(sentinels: &[SocketAddr], nodes: &[SocketAddr], primary: &AtomicUsize, stop: &AtomicBool) {
    let mut connections: Vec<_> = sentinels.iter().map(|one| BareRedis::new(*one)).collect();
    let mut latest = 0;
    while !stop.load(Ordering::Relaxed) {
        for sentinel in &mut connections {
            let Ok(Some((epoch, address))) = named(sentinel) else {
                continue;
            };
            let index = nodes.iter().position(|node| *node == address);
            if let Some(index) = index.filter(|_| epoch >= latest) {
                latest = epoch;
                primary.store(index, Ordering::Relaxed);
            }
        }
        pause(1);
    }
}

/// The number of the last fail-over that a Sentinel knows, and the primary that it names.
fn named(sentinel: &mut BareRedis) -> std::io::Result<Option<(u64, SocketAddr)>> {
    // In this order the address is not older than the number.
    let fields = sentinel.call(&format!("SENTINEL MASTER {SERVICE}"))?;
    let address = sentinel.call(&format!("SENTINEL GET-MASTER-ADDR-BY-NAME {SERVICE}"))?;
    let mut fields = fields.iter().skip_while(|field| *field != "config-epoch");
    let epoch = fields.nth(1).and_then(|epoch| epoch.parse().ok());
    Ok(epoch.zip(address.join(":").parse().ok()))
}

/// Sends messages through the servers and returns the texts with a receipt.
fn write_through(servers: &[SocketAddr], number: u64, stop: &AtomicBool) -> Vec<String> {
    let mut clients: Vec<_> = servers
        .iter()
        .map(|server| HttpClient::new(*server))
        .collect();
    paced(number, stop, |count, text| {
        let index = count.checked_rem(clients.len()).unwrap_or_default();
        let client = clients.get_mut(index)?;
        let body = serde_json::json!({ "message": text }).to_string();
        let response = client.post(MESSAGES, "", &body).ok()?;
        (response.status == 201).then_some(())
    })
}

/// Appends to the primary and returns the texts that it acknowledged.
fn write_bare(
    nodes: &[SocketAddr],
    primary: &AtomicUsize,
    number: u64,
    stop: &AtomicBool,
) -> Vec<String> {
    let mut connections: Vec<_> = nodes.iter().map(|node| BareRedis::new(*node)).collect();
    paced(number, stop, |_, text| {
        let connection = connections.get_mut(primary.load(Ordering::Relaxed))?;
        let appended = connection.call(&format!("XADD {BARE} * text {text}"));
        appended.ok().map(drop)
    })
}

/// Calls `write` once in each period and returns the texts for which it succeeded.
fn paced(
    number: u64,
    stop: &AtomicBool,
    mut write: impl FnMut(usize, &str) -> Option<()>,
) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let begin = now();
        count += 1;
        let text = format!("{number}-{count}");
        if write(count, &text).is_some() {
            acknowledged.push(text);
        }
        pause(PERIOD.saturating_sub(now().saturating_sub(begin)));
    }
    acknowledged
}

/// The texts in the stream of the bare client.
fn read_bare(primary: SocketAddr) -> Result<BTreeSet<String>, String> {
    let entries = BareRedis::new(primary).call(&format!("XRANGE {BARE} - +"));
    let leaves = entries.map_err(|error| error.to_string())?;
    // An entry is its id, the name of the field and its value.
    Ok(leaves.into_iter().skip(2).step_by(3).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(acknowledged: usize, lost: usize) -> AcknowledgedTexts {
        let texts = |range: std::ops::Range<usize>| range.map(|n| n.to_string()).collect();
        AcknowledgedTexts {
            acknowledged: texts(0..acknowledged),
            found: texts(lost..acknowledged + 1),
        }
    }

    #[test]
    fn only_a_loss_beyond_that_of_the_bare_client_and_the_margin_is_a_violation() {
        // A message of the servers is 100 ms of the writes, one of the bare client 10 ms.
        let violations = |lost, bare| {
            let (served, bare) = (written(100, lost), written(1_000, bare));
            judge(&served, &bare, 10_000, 200).len()
        };
        assert_eq!(violations(0, 0), 0);
        assert_eq!(violations(5, 30), 0);
        assert_eq!(violations(6, 30), 1);
        assert_eq!(judge(&written(0, 0), &written(9, 0), 10_000, 200).len(), 1);
    }
}
