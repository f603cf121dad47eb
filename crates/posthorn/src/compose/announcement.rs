//! What is logged once requests are served: the address, and settings that deserve a warning.

use posthorn_config::Settings;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// Logs the address of the page and the warnings.
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
    warn_of_open_access(settings);
    if settings.secret.key_is_random() {
        tracing::warn!(
            "SECRET_KEY is not set: a random key was generated, which ends with this process"
        );
    }
    if let Some(path) = settings.secret.development_key() {
        tracing::info!(path = %path.display(), "SECRET_KEY is not set: the development key is used");
    }
}

fn warn_of_open_access(settings: &Settings) {
    if !settings.app.environment.is_open() {
        return;
    }
    tracing::warn!(
        environment = settings.app.environment.as_str(),
        "access is open: every client that reaches this server may send, read and delete \
         messages; ENVIRONMENT=production requires tokens"
    );
    if settings.access.require_write_token {
        tracing::warn!("REQUIRE_WRITE_TOKEN=true has no effect outside production");
    }
}
