//! The settings of the HTTP server, with the addresses of its listeners resolved.

use std::net::{SocketAddr, ToSocketAddrs};

use posthorn_config::Settings;
use posthorn_http::HttpSettings;

use super::error::StartError;

/// Builds the settings of the HTTP server.
pub(super) fn http_settings(settings: &Settings) -> Result<HttpSettings, StartError> {
    let (listen, http) = (&settings.listen, settings.http.clone());
    let metrics_addresses = match listen.separate_metrics_port() {
        Some(port) => resolve(&listen.host, port)?,
        None => Vec::new(),
    };
    Ok(HttpSettings {
        addresses: resolve(&listen.host, listen.port)?,
        metrics_addresses,
        is_production: settings.app.environment.is_production(),
        max_connections: posthorn_system::limit_connections(http.max_connections),
        shutdown_timeout: settings.shutdown.shutdown_timeout,
        ..http
    })
}

/// Resolves a host to one address. Of several addresses it is the first IPv4 address, because a
/// host may have an IPv6 address that it cannot listen on.
fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, StartError> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let unresolved = |reason| StartError::Listen {
        address: format!("{host}:{port}"),
        reason,
    };
    let addresses: Vec<_> = (host, port)
        .to_socket_addrs()
        .map_err(unresolved)?
        .collect();
    let first = addresses
        .iter()
        .find(|address| address.is_ipv4())
        .or(addresses.first());
    Ok(first.copied().into_iter().collect())
}
