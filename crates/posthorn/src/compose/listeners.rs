//! The settings of the HTTP server, with the addresses of its listeners resolved.

use std::net::{SocketAddr, ToSocketAddrs};

use posthorn_http::HttpSettings;

use super::error::StartError;
use crate::config::Settings;
use crate::open_files;

/// Builds the settings of the HTTP server.
pub(super) fn http_settings(settings: &Settings) -> Result<HttpSettings, StartError> {
    let (listen, http) = (&settings.listen, &settings.http);
    let metrics_addresses = match listen.metrics_port {
        Some(port) => resolve(&listen.host, port)?,
        None => Vec::new(),
    };
    Ok(HttpSettings {
        addresses: resolve(&listen.host, listen.port)?,
        metrics_addresses,
        workers: http.workers,
        max_body_bytes: http.max_body_bytes,
        max_message_length: http.content_rules.max_length,
        message_charset: http.content_rules.charset,
        default_locale: http.default_locale,
        is_production: settings.environment.is_production(),
        cors_origins: http.cors_origins.clone(),
        request_timeout: http.request_timeout,
        header_timeout: http.header_timeout,
        keep_alive: http.keep_alive,
        max_connections: open_files::max_connections(http.max_connections, open_files::raise()),
        max_in_flight: http.max_in_flight,
        max_streams: http.max_streams,
        flood_per_second: http.flood_per_second,
        flood_burst: http.flood_burst,
        trusted_proxy_hops: http.trusted_proxies.hops,
        trusted_proxy_header: http.trusted_proxies.header,
        shutdown_timeout: settings.shutdown.timeout,
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
