//! nginx with the module nchan: one channel, of which `/pub` accepts messages and `/sub` is an
//! `EventSource`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::stopped::StoppedProcess;
use crate::http_client::HttpClient;
use crate::process::Process;
use crate::shell::find_program;

/// Where Debian's package has the module.
const MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

/// Connections for each worker, all of which have to succeed before it is loaded.
const PROBES: usize = 20;

/// The paths of the channel.
pub(super) const PUBLISH: &str = "/pub";
pub(super) const SUBSCRIBE: &str = "/sub";

/// True if the module is installed.
pub(super) fn has_nchan() -> bool {
    Path::new(MODULE).is_file()
}

/// Starts nginx in the foreground, with its files below `directory`.
pub(super) fn start(
    address: SocketAddr,
    workers: usize,
    directory: &Path,
    redis: Option<SocketAddr>,
) -> Result<StoppedProcess, String> {
    let path = directory.join("nginx.conf");
    std::fs::write(&path, configuration(address, workers, directory, redis))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let program = find_program("nginx").unwrap_or_else(|| PathBuf::from("nginx"));
    let mut command = Command::new(program);
    command.arg("-p").arg(directory).arg("-c").arg(&path);
    let process = Process::start("nginx", &mut command, &directory.join("nginx.log"))?;
    // It listens before each worker is connected to Redis, and any of them may get a connection.
    let accepts = |_| {
        let response = HttpClient::new(address).post(PUBLISH, "", "first");
        response.is_ok_and(|response| response.status < 300)
    };
    StoppedProcess::up(process, || (0..PROBES * workers).all(accepts))
}

/// As many messages are held as Posthorn holds of a topic, every request is logged, as Posthorn does, and a
/// connection stays open however many requests it had.
fn configuration(
    address: SocketAddr,
    workers: usize,
    directory: &Path,
    redis: Option<SocketAddr>,
) -> String {
    let directory = directory.display();
    let upstream = redis.map_or_else(String::new, |redis| {
        format!("  upstream store {{ nchan_redis_server redis://{redis}; }}\n")
    });
    let pass = if redis.is_some() {
        "      nchan_redis_pass store;\n"
    } else {
        ""
    };
    format!(
        "load_module {MODULE};
daemon off;
worker_processes {workers};
worker_rlimit_nofile 20000;
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
events {{ worker_connections 15000; }}
http {{
  access_log {directory}/access.log;
  keepalive_requests 1000000000;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  nchan_shared_memory_size 512M;
{upstream}  server {{
    listen {address} backlog=4096;
    nchan_channel_id bench;
    nchan_message_buffer_length 100000;
    nchan_message_timeout 7d;
    location = {PUBLISH} {{
      nchan_publisher http;
{pass}    }}
    location = {SUBSCRIBE} {{
      nchan_subscriber eventsource;
      nchan_subscriber_first_message newest;
{pass}    }}
  }}
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_redis_is_named_where_messages_are_stored_and_read() {
        let address = SocketAddr::from(([127, 0, 0, 1], 5000));
        let redis = SocketAddr::from(([127, 0, 0, 1], 6000));
        let without = configuration(address, 2, Path::new("/tmp/bench"), None);
        assert!(!without.contains("redis"), "{without}");
        let with = configuration(address, 2, Path::new("/tmp/bench"), Some(redis));
        assert_eq!(with.matches("nchan_redis_pass store;").count(), 2);
        assert!(with.contains("nchan_redis_server redis://127.0.0.1:6000;"));
        assert_eq!(with.matches('{').count(), with.matches('}').count());
    }
}
