//! `HAProxy` in front of the servers, in place of an ingress.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::http_client::HttpClient;
use crate::process::{self, Process};

/// A running `HAProxy`.
#[derive(Debug)]
pub(super) struct Proxy {
    /// The address for clients.
    pub(super) entrance: SocketAddr,
    statistics: SocketAddr,
    _process: Process,
}

impl Proxy {
    /// Starts it in front of `servers` and waits until it counts all of them as up.
    pub(super) fn start(servers: &[SocketAddr], directory: &Path) -> Result<Self, String> {
        let (entrance, statistics) = (process::free_address()?, process::free_address()?);
        let file = directory.join("haproxy.cfg");
        std::fs::write(&file, configuration(entrance, statistics, servers))
            .map_err(|error| error.to_string())?;
        let in_sbin = Path::new("/usr/sbin/haproxy");
        let mut command = Command::new(if in_sbin.exists() {
            in_sbin
        } else {
            Path::new("haproxy")
        });
        command.arg("-db").arg("-f").arg(&file);
        let mut process = Process::start("haproxy", &mut command, &directory.join("haproxy.log"))?;
        process.wait_for(|| std::net::TcpStream::connect(entrance).is_ok())?;
        let proxy = Self {
            entrance,
            statistics,
            _process: process,
        };
        for index in 0..servers.len() {
            proxy.wait_until_up(index)?;
        }
        Ok(proxy)
    }

    /// Waits until the checks of the server at `index` have passed.
    pub(super) fn wait_until_up(&self, index: usize) -> Result<(), String> {
        let row = format!("posthorn,pod-{index},");
        let up = process::poll(|| {
            let statistics = HttpClient::new(self.statistics).get("/;csv");
            statistics.is_ok_and(|response| {
                let mut rows = response.body.lines().filter(|line| line.starts_with(&row));
                rows.any(|line| line.split(',').any(|field| field == "UP"))
            })
        });
        if up {
            Ok(())
        } else {
            Err(format!("pod-{index} did not become ready"))
        }
    }
}

/// Without `retries` and `redispatch`: a request without a response has failed.
fn configuration(entrance: SocketAddr, statistics: SocketAddr, servers: &[SocketAddr]) -> String {
    let mut text = format!(
        "global
  maxconn 1000
defaults
  mode http
  retries 0
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  timeout check 2s
frontend entrance
  bind {entrance}
  default_backend posthorn
frontend statistics
  bind {statistics}
  stats enable
  stats uri /
backend posthorn
  balance roundrobin
  option forwardfor
  option httpchk GET /health/ready
  http-check expect status 200
  default-server check inter 100ms fall 2 rise 2
"
    );
    for (index, server) in servers.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  server pod-{index} {server}");
    }
    text
}
