//! Clients that read nothing, or send large bodies slowly, against a server with the settings of the manifests: its
//! memory has to stay below their limit.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use super::calls;
use super::pods::ChaosPod;
use super::random::Random;
use crate::http_client::HttpClient;
use crate::process::poll;

/// The manifest with the limit.
const DEPLOYMENT: &str = "deploy/kubernetes/base/deployment.yaml";
/// The requests that a client sends at once.
const PIPELINED: usize = 20;
/// The messages of a page.
const PAGE: usize = 200;
/// The bytes of an unfinished body.
const BODY: usize = 900_000;

/// Attacks a server with `clients` of each kind and returns what is wrong with it afterwards.
pub(super) fn run(
    root: &Path,
    clients: usize,
    binary: &Path,
    random: &mut Random,
) -> Result<Vec<String>, String> {
    let limit = limit(root)?;
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let environment = vec![
        ("STORE_URL", "memory:".to_owned()),
        // All of them come from one address.
        ("MAX_CONNECTIONS_PER_CLIENT", "0".to_owned()),
    ];
    let pod = ChaosPod::start(binary, directory.path(), environment, random)?;
    let mut client = HttpClient::new(pod.address);
    let message = serde_json::json!({ "message": "\u{1f4ef}".repeat(1_000) });
    let batch = serde_json::Value::from(vec![message; PAGE]).to_string();
    let stored = client.post(&format!("{}/batch", calls::MESSAGES), "", &batch);
    if stored.map_err(|error| error.to_string())?.status != 201 {
        return Err("the messages were rejected".to_owned());
    }

    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    let page = get(&format!("{}?limit={PAGE}", calls::MESSAGES)).repeat(PIPELINED);
    let document = get("/api-docs/openapi.json").repeat(PIPELINED);
    let start = "0".repeat(26);
    let stream = get(&format!("/api/v1/topics/chaos/stream?after={start}"));
    let head = format!(
        "POST {}/batch HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n[",
        calls::MESSAGES,
        BODY + 1_000
    );
    let body = head + &" ".repeat(BODY);
    let mut unread = Vec::new();
    for request in [page, document, stream, body] {
        for _ in 0..clients {
            unread.push(attack(pod.address, request.as_bytes())?);
        }
    }
    let is_live = || status(pod.address, "/health/live") == Some(200);
    let mut wrong = Vec::new();
    if !poll(is_live) {
        wrong.push("the server does not respond under the load".to_owned());
    }
    drop(unread);
    if !poll(|| status(pod.address, calls::MESSAGES) == Some(200)) {
        wrong.push("the server does not respond after the load".to_owned());
    }
    let peak = pod.peak_memory()?;
    println!(
        "chaos: memory: {clients} clients of each kind; a peak of {} MiB, the limit is {} MiB",
        peak >> 20,
        limit >> 20
    );
    if peak >= limit {
        wrong.push(format!("{peak} bytes of memory are above the limit"));
    }
    Ok(wrong)
}

/// Sends as much of `request` as the sockets take, and reads nothing.
fn attack(server: SocketAddr, request: &[u8]) -> Result<TcpStream, String> {
    let open = || -> std::io::Result<TcpStream> {
        let mut stream = TcpStream::connect(server)?;
        stream.set_nonblocking(true)?;
        // The server may have closed it, and the sockets may be full.
        let _ = stream.write(request);
        Ok(stream)
    };
    open().map_err(|error| format!("a connection: {error}; `ulimit -n`?"))
}

fn status(server: SocketAddr, path: &str) -> Option<u16> {
    let response = HttpClient::new(server).get(path).ok()?;
    Some(response.status)
}

/// The limit on the memory of a pod, in bytes.
fn limit(root: &Path) -> Result<u64, String> {
    let text = std::fs::read_to_string(root.join(DEPLOYMENT));
    let text = text.map_err(|error| format!("{DEPLOYMENT}: {error}"))?;
    let limits = text.split("limits:").nth(1).unwrap_or_default();
    let memory = limits.split("memory: ").nth(1).unwrap_or_default();
    let mebibytes = memory.split("Mi").next().unwrap_or_default();
    let mebibytes: Result<u64, _> = mebibytes.parse();
    mebibytes
        .map(|mebibytes| mebibytes << 20)
        .map_err(|_| format!("{DEPLOYMENT}: no limit on the memory"))
}
