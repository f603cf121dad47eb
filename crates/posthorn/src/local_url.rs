//! The address under which this machine reaches the server that the settings configure.

use posthorn_config::Settings;

/// The base address, without a slash at its end.
pub(crate) fn local_url(settings: &Settings) -> String {
    // A server that listens on all addresses is reached over the loopback.
    let host = match settings.listen.host.as_str() {
        "0.0.0.0" => "127.0.0.1".to_owned(),
        "::" | "[::]" => "[::1]".to_owned(),
        host if host.contains(':') && !host.starts_with('[') => format!("[{host}]"),
        host => host.to_owned(),
    };
    format!("http://{host}:{}", settings.listen.port)
}
