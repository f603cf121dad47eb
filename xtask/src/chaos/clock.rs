//! A wall clock that is 400 days ahead for a while, of a server and its store. Nothing may be lost by it: afterwards
//! all messages are there, ids have never gone back, and new messages have the right time. With the embedded store
//! idempotency keys and revocations hold too; Redis itself expires those, by its clock.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::calls;
use super::pods::{ChaosPod, stable_address};
use super::preload;
use super::random::Random;
use super::wall_clock::{Millis, now, pause};
use crate::binary;
use crate::http_client::HttpClient;
use crate::process::{self, Process};
use crate::shell::output;

const SOURCE: &str = include_str!("shifted_clock.c");
const KEY: &str = "0123456789abcdef0123456789abcdef";
/// How far the clock is ahead, in seconds.
const SHIFT: u64 = 400 * 86_400;
const MESSAGES: usize = 50;
/// The pause between messages while the clock is ahead.
const PAUSE: Millis = 100;

/// A store whose clock jumps with that of its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClockStore {
    File,
    Redis,
}

/// The processes, and what was sent.
struct ShiftedStage {
    pod: ChaosPod,
    /// Runs as long as the stage, at this address.
    redis: Option<(Process, SocketAddr)>,
    client: HttpClient,
    /// The file with the shift.
    shift: PathBuf,
    /// The ids of the messages, by their keys.
    sent: BTreeMap<String, String>,
}

/// Shifts the clock for `seconds` and returns what was lost by it.
pub(super) fn run(
    store: ClockStore,
    seconds: u64,
    binary: &Path,
    random: &mut Random,
) -> Result<Vec<String>, String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut stage = ShiftedStage::start(store, binary, directory.path(), random)?;
    let token = stage.revoked_token(binary)?;
    stage.send(MESSAGES)?;

    stage.shift_by(SHIFT)?;
    stage.check_clocks()?;
    let end = now() + seconds * 1_000;
    while now() < end {
        stage.send(1)?;
        pause(PAUSE);
    }
    // A start removes at once what has expired.
    stage.restart()?;
    stage.send(MESSAGES)?;
    let newest = stage.newest();

    stage.shift_by(0)?;
    stage.restart()?;
    stage.send(1)?;
    let mut lost = stage.lost_messages()?;
    if stage.newest() <= newest {
        lost.push("an id went back".to_owned());
    }
    if store == ClockStore::File {
        lost.extend(stage.forgotten_keys()?);
        let status = stage.status_with(&token)?;
        if status != 401 {
            lost.push(format!("a revoked token got {status}"));
        }
    }
    println!(
        "chaos: clock, {store:?}: {seconds} s ahead by 400 days; {} messages, {} violations",
        stage.sent.len(),
        lost.len()
    );
    Ok(lost)
}

impl ShiftedStage {
    fn start(
        store: ClockStore,
        binary: &Path,
        directory: &Path,
        random: &mut Random,
    ) -> Result<Self, String> {
        let library = preload::compile(SOURCE, directory)?;
        let shift = directory.join("shift");
        let preload = [
            ("LD_PRELOAD", library),
            ("CLOCK_SHIFT_FILE", shift.display().to_string()),
        ];
        let mut redis = None;
        let url = match store {
            ClockStore::File => format!("file:{}", directory.join("clock.db").display()),
            ClockStore::Redis => {
                let address = stable_address(random)?;
                redis = Some((process::redis_with(address, directory, &preload)?, address));
                format!("redis://{address}")
            }
        };
        let mut environment = vec![("STORE_URL", url), ("SECRET_KEY", KEY.to_owned())];
        environment.extend(preload);
        let pod = ChaosPod::start(binary, directory, environment, random)?;
        Ok(Self {
            client: HttpClient::new(pod.address),
            pod,
            redis,
            shift,
            sent: BTreeMap::new(),
        })
    }

    /// The clock is `seconds` ahead from now on.
    fn shift_by(&self, seconds: u64) -> Result<(), String> {
        let new = self.shift.with_extension("new");
        std::fs::write(&new, seconds.to_string())
            .and_then(|()| std::fs::rename(&new, &self.shift))
            .map_err(|error| error.to_string())
    }

    /// Fails unless the server, and Redis, see the shifted time: a library that cannot be loaded is only logged.
    fn check_clocks(&mut self) -> Result<(), String> {
        self.send(1)?;
        let message = self
            .client
            .get(&format!("{}/{}", calls::MESSAGES, self.newest()));
        let message = message.map_err(|error| error.to_string())?.body;
        let mut clocks = vec![(
            "the server",
            processed_at(&message).map(|millis| millis / 1_000),
        )];
        if let Some((_, address)) = &self.redis {
            let mut time = Command::new("redis-cli");
            let port = address.port().to_string();
            let time = output(time.args(["-p", &port, "TIME"]))?;
            let seconds = time.lines().next().and_then(|line| line.parse().ok());
            clocks.push(("Redis", seconds));
        }
        // Half of the shift is far from both what is and what is not shifted.
        let least = now() / 1_000 + SHIFT / 2;
        let real = clocks
            .into_iter()
            .find(|(_, clock)| clock.is_none_or(|clock| clock < least));
        match real {
            Some((whose, _)) => Err(format!("the clock of {whose} cannot be shifted")),
            None => Ok(()),
        }
    }

    fn restart(&mut self) -> Result<(), String> {
        self.pod.kill();
        self.pod.launch()?;
        self.pod.wait_until_ready()?;
        self.client = HttpClient::new(self.pod.address);
        Ok(())
    }

    /// Sends `count` messages, each with a key.
    fn send(&mut self, count: usize) -> Result<(), String> {
        for _ in 0..count {
            let key = format!("key-{:05}", self.sent.len());
            let id = calls::send(&mut self.client, &key, &key);
            self.sent.insert(key, id.ok_or("a message was rejected")?);
        }
        Ok(())
    }

    /// The greatest id.
    fn newest(&self) -> String {
        self.sent.values().max().cloned().unwrap_or_default()
    }

    /// The messages that are not there, and the newest one if it has a wrong time.
    fn lost_messages(&mut self) -> Result<Vec<String>, String> {
        let mut lost = Vec::new();
        let mut times = BTreeMap::new();
        for (key, id) in &self.sent {
            let found = self.client.get(&format!("{}/{id}", calls::MESSAGES));
            let found = found.map_err(|error| error.to_string())?;
            if found.status == 200 {
                times.insert(id, found.body);
            } else {
                lost.push(format!("{key} is {}", found.status));
            }
        }
        let newest = times.last_key_value().map(|(_, body)| body.as_str());
        let millis = newest.and_then(processed_at);
        if millis.is_none_or(|millis| millis.abs_diff(now()) > 60_000) {
            lost.push(format!("the newest message is of {millis:?}"));
        }
        Ok(lost)
    }

    /// The keys whose receipt is another one when they are sent again.
    fn forgotten_keys(&mut self) -> Result<Vec<String>, String> {
        let mut forgotten = Vec::new();
        for (key, id) in &self.sent {
            let again = calls::send(&mut self.client, key, key);
            if again.ok_or("a retry was rejected")? != *id {
                forgotten.push(format!("{key} was stored twice"));
            }
        }
        Ok(forgotten)
    }

    /// Issues a token and revokes it.
    fn revoked_token(&self, binary: &Path) -> Result<String, String> {
        let posthorn = |arguments: &[&str]| {
            let mut command = binary::server(binary);
            command.args(arguments).env("SECRET_KEY", KEY);
            command.env("POSTHORN_URL", format!("http://{}", self.pod.address));
            output(&mut command)
        };
        let arguments = [
            "token",
            "issue",
            "--sub",
            "chaos",
            "--scope",
            "messages:write",
        ];
        let token = posthorn(&arguments)?.trim().to_owned();
        posthorn(&["token", "revoke", &token])?;
        Ok(token)
    }

    /// The status of a message that is sent with `token`.
    fn status_with(&mut self, token: &str) -> Result<u16, String> {
        let header = format!("Authorization: Bearer {token}\r\n");
        let body = r#"{"message":"a"}"#;
        let response = self.client.post(calls::MESSAGES, &header, body);
        response
            .map(|response| response.status)
            .map_err(|error| error.to_string())
    }
}

/// The time of a message.
fn processed_at(message: &str) -> Option<Millis> {
    let message: Value = serde_json::from_str(message).ok()?;
    let time = message.get("processed_at")?.as_str()?;
    let time: jiff::Timestamp = time.parse().ok()?;
    u64::try_from(time.as_millisecond()).ok()
}
