//! The server that the programs talk to: without quotas, on a loopback port.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;

use crate::binary;
use crate::http_client::HttpClient;
use crate::process::{self, Process};

/// Webhooks need a key that lasts, which a store in memory does not make.
const SECRET_KEY: &str = "only-for-the-checks-with-other-programs-0123456789";

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    /// Its address.
    pub(super) address: SocketAddr,
    process: Process,
}

impl Server {
    /// Starts a server with an empty memory store, with its log in `directory`.
    pub(super) fn in_memory(root: &Path, directory: &Path) -> Result<Self, String> {
        let address = process::free_address()?;
        Self::start(root, directory, address, &[("STORE_URL", "memory:")])
    }

    /// Starts a server with settings and waits until it is ready.
    pub(super) fn start(
        root: &Path,
        directory: &Path,
        address: SocketAddr,
        settings: &[(&str, &str)],
    ) -> Result<Self, String> {
        let mut command = binary::server(&binary::debug(root)?);
        command
            .current_dir(directory)
            .env("PORT", address.port().to_string())
            .env("RATE_LIMIT_ENABLED", "false")
            .env("SECRET_KEY", SECRET_KEY)
            .envs(settings.iter().copied());
        let log = directory.join("server.log");
        let mut process = Process::start("posthorn", &mut command, &log)?;
        process.wait_for(|| {
            let ready = HttpClient::new(address).get("/health/ready");
            ready.is_ok_and(|response| response.status == 200)
        })?;
        Ok(Self { address, process })
    }

    /// Stops it as an operator does.
    pub(super) fn stop(self) -> Result<(), String> {
        self.process.terminate().map(drop)
    }

    /// The URL of a path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The messages of a topic, in order.
    pub(super) fn messages(&self, topic: &str) -> Result<Vec<Value>, String> {
        let path = format!("/api/v1/topics/{topic}/messages");
        let page = HttpClient::new(self.address).get(&path);
        let page = page.map_err(|error| error.to_string())?;
        let page: Value = serde_json::from_str(&page.body).map_err(|error| error.to_string())?;
        let messages = page.get("messages").and_then(Value::as_array);
        Ok(messages.cloned().unwrap_or_default())
    }
}
