//! `cargo xtask rollout`: rehearses a rolling restart without a cluster. Three servers over one
//! Redis run behind `HAProxy`, which polls their readiness and never repeats a request. Each is
//! stopped and started again while clients send. No request may fail, and no message may be lost or
//! stored twice.

mod load;
mod proxy;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::binary;
use crate::http_client::HttpClient;
use crate::process::{self, Process};
use load::{RolloutLoad, Tally};
use proxy::Proxy;

const SERVERS: usize = 3;
const TOPIC: &str = "rollout";
/// Requests that pass between two steps, so that each step happens under load.
const BETWEEN_STEPS: usize = 1000;

/// Runs the rehearsal and prints its figures.
pub(crate) fn rehearse(root: &Path) -> Result<(), String> {
    crate::programs::ensure_package("haproxy", "haproxy")?;
    crate::programs::ensure_package("redis-server", "redis-server")?;
    let binary = binary::debug(root)?;
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let redis_address = process::free_address()?;
    let _redis = process::redis(redis_address, directory.path())?;
    let store = format!("redis://{redis_address}/0");
    let mut pods = Vec::new();
    for _ in 0..SERVERS {
        let pod = Pod {
            binary: binary.clone(),
            address: process::free_address()?,
            store: store.clone(),
        };
        let server = pod.start(directory.path())?;
        pods.push((pod, server));
    }
    let addresses: Vec<SocketAddr> = pods.iter().map(|(pod, _)| pod.address).collect();
    let proxy = Proxy::start(&addresses, directory.path())?;
    let load = RolloutLoad::start(proxy.entrance, TOPIC);
    let mut replaced = Vec::new();
    for (index, (pod, server)) in pods.into_iter().enumerate() {
        load.wait_for(BETWEEN_STEPS)?;
        let status = server.terminate()?;
        if !status.success() {
            return Err(format!("a server ended with {status}"));
        }
        load.wait_for(BETWEEN_STEPS)?;
        let server = pod.start(directory.path())?;
        proxy.wait_until_up(index)?;
        replaced.push(server);
    }
    load.wait_for(BETWEEN_STEPS)?;
    let tally = load.finish()?;
    judge(&tally, &stored(proxy.entrance)?)
}

/// One address, at which one server after the other runs.
struct Pod {
    binary: PathBuf,
    address: SocketAddr,
    store: String,
}

impl Pod {
    fn start(&self, directory: &Path) -> Result<Process, String> {
        let mut command = binary::server(&self.binary);
        command.current_dir(directory);
        command.envs([
            ("PORT", self.address.port().to_string().as_str()),
            ("STORE_URL", &self.store),
            ("REDIS_URL", &self.store),
            ("STORE_DURABILITY", "synced"),
            ("DRAIN_DELAY", "2s"),
            ("SHUTDOWN_TIMEOUT", "10s"),
            ("LOG_LEVEL", "warn"),
            // The load comes from one address, which quotas would hold back.
            ("RATE_LIMIT_ENABLED", "false"),
            ("FLOOD_PER_SECOND", "0"),
        ]);
        let mut server = Process::start("posthorn", &mut command, &directory.join("posthorn.log"))?;
        let ready = || {
            let response = HttpClient::new(self.address).get("/health/ready");
            response.is_ok_and(|response| response.status == 200)
        };
        server.wait_for(ready)?;
        Ok(server)
    }
}

/// Every message of the topic, by its id.
fn stored(entrance: SocketAddr) -> Result<BTreeMap<String, String>, String> {
    let mut client = HttpClient::new(entrance);
    let mut messages = BTreeMap::new();
    let mut next = Some(format!(
        "/api/v1/topics/{TOPIC}/messages?limit=200&order=asc"
    ));
    while let Some(path) = next {
        let page = client
            .get(&path)
            .map_err(|error| format!("{path}: {error}"))?;
        let page: Value = serde_json::from_str(&page.body).map_err(|error| error.to_string())?;
        let list = page
            .get("messages")
            .and_then(Value::as_array)
            .ok_or("a page has no messages")?;
        for message in list {
            let text = |name: &str| message.get(name).and_then(Value::as_str).map(str::to_owned);
            let (id, message) = text("id")
                .zip(text("message"))
                .ok_or("a message has no id or text")?;
            if messages.insert(id.clone(), message).is_some() {
                return Err(format!("{id} is listed twice"));
            }
        }
        next = page.get("next").and_then(Value::as_str).map(str::to_owned);
    }
    Ok(messages)
}

/// Compares the acknowledged messages with the stored ones.
fn judge(tally: &Tally, stored: &BTreeMap<String, String>) -> Result<(), String> {
    let lost = tally
        .acknowledged
        .iter()
        .filter(|(id, text)| stored.get(*id) != Some(text))
        .count();
    let extra = stored
        .keys()
        .filter(|id| !tally.acknowledged.contains_key(*id))
        .count();
    println!(
        "rollout: {SERVERS} servers replaced under load; {} requests, {} failed; {} messages \
         acknowledged, {lost} lost, {extra} stored twice or without a response; {} retries got the \
         first receipt",
        tally.requests,
        tally.failures.len(),
        tally.acknowledged.len(),
        tally.replayed,
    );
    for failure in tally.failures.iter().take(10) {
        println!("rollout: failed: {failure}");
    }
    match (tally.failures.is_empty(), lost, extra) {
        (true, 0, 0) => Ok(()),
        _ => Err("clients noticed the rolling restart".to_owned()),
    }
}
