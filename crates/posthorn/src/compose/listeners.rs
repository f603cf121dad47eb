//! The listeners: their addresses, and the log event that names them.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use posthorn_config::Settings;
use posthorn_http::{BindError, HttpSettings, resolve};

/// The settings of the HTTP server, with the addresses of its listeners.
pub(super) fn http_settings(settings: &Settings) -> Result<HttpSettings, BindError> {
    let (listen, http) = (&settings.listen, settings.http.clone());
    let metrics_port = listen.separate_metrics_port();
    let metrics_addresses = metrics_port.map(|port| resolve(&listen.host, port));
    Ok(HttpSettings {
        metrics_addresses: metrics_addresses.transpose()?.unwrap_or_default(),
        addresses: resolve(&listen.host, listen.port)?,
        is_production: settings.app.environment.is_production(),
        max_connections: posthorn_system::limit_connections(http.max_connections),
        shutdown_timeout: settings.shutdown.shutdown_timeout,
        ..http
    })
}

/// Logs the address of the page.
pub(super) fn announce(settings: &Settings, addresses: &[SocketAddr]) {
    let Some(address) = addresses.first() else {
        return;
    };
    // A listener on all addresses is reached over the loopback.
    let ip = match address.ip() {
        ip if ip.is_unspecified() && ip.is_ipv4() => Ipv4Addr::LOCALHOST.into(),
        ip if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let url = format!("http://{}/", SocketAddr::new(ip, address.port()));
    tracing::info!(
        url,
        docs = format!("{url}docs/"),
        environment = settings.app.environment.as_str(),
        version = settings.app.app_version,
        ?addresses,
        "ready: open {url}"
    );
}
