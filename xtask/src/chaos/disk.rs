//! A disk that fails at each single write and sync of the embedded store, one after another, while a message is sent
//! or acknowledged, and while the server starts. What got a successful response is there after a crash, once; what
//! got none may be there. After the fault the store works again, at the latest after a new start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::calls::{self, LEASE};
use super::history::{UseKind, UseOutcome};
use super::pods::ChaosPod;
use super::preload;
use super::random::Random;
use super::wall_clock::pause;
use crate::http_client::HttpClient;
use crate::process::poll;

const SOURCE: &str = include_str!("failing_disk.c");
/// How a call fails; as in `failing_disk.c`.
const KINDS: [&str; 4] = ["io", "full", "torn", "dead"];
/// More calls than any step makes.
const MOST: u64 = 500;

/// The server, and the requests that got a successful response.
struct FailingStage {
    pod: ChaosPod,
    client: HttpClient,
    /// The file that says which call fails.
    control: PathBuf,
    /// How often a call was to fail.
    armed: u64,
    faults: u64,
    sent: u64,
    /// The texts by id.
    accepted: BTreeMap<String, String>,
    acknowledged: Vec<String>,
}

/// Fails every call of each step, and returns what is wrong after that.
pub(super) fn run(binary: &Path, random: &mut Random) -> Result<Vec<String>, String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut stage = FailingStage::start(binary, directory.path(), random)?;
    let mut violations = Vec::new();
    for kind in KINDS {
        stage.fail_each(kind, |stage| {
            stage.send_once();
            Ok(())
        })?;
        stage.fail_each(kind, |stage| {
            stage.acknowledge_once();
            Ok(())
        })?;
        stage.restart()?;
        violations.extend(stage.lost()?);
    }
    stage.fail_each("io", FailingStage::restart_once)?;
    violations.extend(stage.lost()?);
    println!(
        "chaos: disk: {} writes and syncs failed; {} messages accepted, {} acknowledged, {} violations",
        stage.faults,
        stage.accepted.len(),
        stage.acknowledged.len(),
        violations.len()
    );
    Ok(violations)
}

impl FailingStage {
    fn start(binary: &Path, directory: &Path, random: &mut Random) -> Result<Self, String> {
        let control = directory.join("fault");
        let environment = vec![
            (
                "STORE_URL",
                format!("file:{}", directory.join("disk.db").display()),
            ),
            ("LD_PRELOAD", preload::compile(SOURCE, directory)?),
            ("DISK_FAULT_FILE", control.display().to_string()),
        ];
        let pod = ChaosPod::start(binary, directory, environment, random)?;
        let mut client = HttpClient::new(pod.address);
        calls::create(&mut client, 1_000).map_err(|error| error.to_string())?;
        Ok(Self {
            pod,
            client,
            control,
            armed: 0,
            faults: 0,
            sent: 0,
            accepted: BTreeMap::new(),
            acknowledged: Vec::new(),
        })
    }

    /// Runs `step` while its first call fails, then its second one, until none is left to fail.
    fn fail_each(
        &mut self,
        kind: &str,
        step: impl Fn(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        for number in 1..MOST {
            let hit = self.control.with_extension("hit");
            self.armed += 1;
            let text = format!("{} {number} {kind}", self.armed);
            std::fs::write(&self.control, text).map_err(|error| error.to_string())?;
            step(self)?;
            std::fs::remove_file(&self.control).map_err(|error| error.to_string())?;
            if !hit.exists() {
                return match number {
                    1 => Err(format!(
                        "nothing could be made to fail as `{kind}`, after {} faults",
                        self.faults
                    )),
                    _ => Ok(()),
                };
            }
            std::fs::remove_file(hit).map_err(|error| error.to_string())?;
            self.faults += 1;
            self.recover(&format!("call {number} failed as `{kind}`"))?;
        }
        Err("a step makes too many calls".to_owned())
    }

    /// Waits until messages are accepted again.
    fn recover(&mut self, after: &str) -> Result<(), String> {
        let has_recovered = poll(|| {
            let before = self.accepted.len();
            self.send_once();
            self.accepted.len() > before
        });
        if has_recovered {
            return Ok(());
        }
        Err(format!("after {after} no message is accepted"))
    }

    fn send_once(&mut self) {
        self.sent += 1;
        let text = format!("message {}", self.sent);
        if let Some(id) = calls::send(&mut self.client, &text.replace(' ', "-"), &text) {
            self.accepted.insert(id, text);
        }
    }

    /// Acknowledges a message. What was pulled is lost to others for the time of its lease.
    fn acknowledge_once(&mut self) {
        let pulled = calls::pull(&mut self.client, 1, 0);
        let Some(lease) = pulled.ok().and_then(|mut leases| leases.pop()) else {
            return;
        };
        let outcome = calls::update(&mut self.client, UseKind::Ack, None, &[&lease]);
        if outcome == [UseOutcome::Valid] {
            self.acknowledged.push(lease.id);
        }
    }

    /// Starts the server anew; if the fault ends it, once more without one.
    fn restart_once(&mut self) -> Result<(), String> {
        if self.restart().is_ok() {
            return Ok(());
        }
        let (control, aside) = (self.control.clone(), self.control.with_extension("aside"));
        std::fs::rename(&control, &aside).map_err(|error| error.to_string())?;
        let again = self.restart();
        std::fs::rename(&aside, &control).map_err(|error| error.to_string())?;
        again
    }

    fn restart(&mut self) -> Result<(), String> {
        self.pod.kill();
        self.client = HttpClient::new(self.pod.address);
        self.pod.launch()?;
        self.pod.wait_until_ready()
    }

    /// What the topic or the consumer has lost, or has twice.
    fn lost(&mut self) -> Result<Vec<String>, String> {
        let failed = |error: std::io::Error| error.to_string();
        let stored = calls::topic(&mut self.client).map_err(failed)?;
        let mut violations = Vec::new();
        for (id, text) in &self.accepted {
            if stored.get(id) != Some(text) {
                violations.push(format!("{text} was accepted as {id}, and is not there"));
            }
        }
        let mut texts: Vec<_> = stored.values().collect();
        texts.sort_unstable();
        let all = texts.len();
        texts.dedup();
        if texts.len() < all {
            violations.push(format!("{} messages are stored twice", all - texts.len()));
        }
        // Longer than the leases of workers that did not acknowledge.
        pause(LEASE + 100);
        loop {
            let leases = calls::pull(&mut self.client, 200, 0).map_err(failed)?;
            if leases.is_empty() {
                break;
            }
            let again = leases
                .iter()
                .filter(|lease| self.acknowledged.contains(&lease.id));
            violations.extend(
                again.map(|lease| format!("{} was acknowledged, and handed out", lease.id)),
            );
            let borrowed: Vec<_> = leases.iter().collect();
            calls::update(&mut self.client, UseKind::Ack, None, &borrowed);
            self.acknowledged
                .extend(leases.into_iter().map(|lease| lease.id));
        }
        Ok(violations)
    }
}
