//! The listeners.

use std::net::IpAddr;

use garde::Validate;
use posthorn_domain::Environment;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Host;

use crate::loader::Effective;
use crate::section::{ComputedDefault, KnownValues, Section};

/// The listeners.
#[derive(Clone, Debug, Deserialize, JsonSchema, Validate)]
#[garde(allow_unvalidated)]
#[garde(context(Environment))]
pub struct ListenSection {
    /// The address that the server listens on.
    #[schemars(extend("default" = "127.0.0.1", "x-takes" = "an IP address or a host name"))]
    #[garde(length(min = 1), custom(is_host))]
    pub host: String,
    /// The port that the server listens on.
    #[schemars(extend("default" = 5000, "x-takes" = PORT))]
    pub port: u16,
    /// The port of `/metrics`, if it has its own: `/metrics` is then served on this port only, and the
    /// probes on both.
    #[schemars(extend("x-default" = "same as `PORT`", "x-takes" = PORT))]
    pub metrics_port: Option<u16>,
    /// What gave the address and the port.
    #[serde(skip)]
    pub given_by: ListenOrigins,
}

/// What gave the address and the port of the server, for people: the setting, or the option over it.
#[derive(Clone, Copy, Debug)]
pub struct ListenOrigins {
    /// `HOST` or `--host`.
    pub host: &'static str,
    /// `PORT` or `--port`.
    pub port: &'static str,
}

impl Default for ListenOrigins {
    fn default() -> Self {
        Self {
            host: "HOST",
            port: "PORT",
        }
    }
}

impl ListenOrigins {
    /// The origins of the effective values.
    pub(crate) fn of(effective: &[Effective]) -> Self {
        let has_origin = |option| effective.iter().any(|row| row.origin == option);
        let name = |option, setting| if has_origin(option) { option } else { setting };
        Self {
            host: name("--host", "HOST"),
            port: name("--port", "PORT"),
        }
    }
}

const PORT: &str = "a port, 0 to 65535; 0 takes a free one";

impl ListenSection {
    /// The port of a listener for `/metrics` alone. The port of the server is the same listener, unless
    /// each is 0, which takes a free port.
    pub fn separate_metrics_port(&self) -> Option<u16> {
        self.metrics_port
            .filter(|port| *port != self.port || *port == 0)
    }

    /// The names of what decides on the listeners, for people.
    pub fn names(&self) -> String {
        let metrics = self.separate_metrics_port().map(|_| "METRICS_PORT");
        let names = [Some(self.given_by.host), Some(self.given_by.port), metrics];
        names.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// The address under which this machine reaches the server, without a slash at its end.
    pub fn local_url(&self) -> String {
        // A server that listens on all addresses is reached over the loopback.
        let host = match self.host.as_str() {
            "0.0.0.0" => "127.0.0.1".to_owned(),
            "::" | "[::]" => "[::1]".to_owned(),
            host if host.contains(':') && !host.starts_with('[') => format!("[{host}]"),
            host => host.to_owned(),
        };
        format!("http://{host}:{}", self.port)
    }
}

impl Section for ListenSection {
    const TITLE: &'static str = "Listeners";

    fn computed_defaults(known: &KnownValues<'_>) -> Vec<ComputedDefault> {
        let port = known.text("port");
        port.map(|port| ComputedDefault::note("metrics_port", port))
            .into_iter()
            .collect()
    }
}

/// An IP address, also with a zone (RFC 4007) or in brackets, or a host name as in a URL (WHATWG URL, host parsing) of
/// letters, digits, `-` and `_` (RFC 1123, section 2.1; the DNS has names with `_`).
fn is_host(text: &str, _: &Environment) -> garde::Result {
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    let is_name = |name: &str| {
        let mut labels = name.strip_suffix('.').unwrap_or(name).split('.');
        labels.all(is_label)
    };
    let is_host = address.parse::<IpAddr>().is_ok()
        || match Host::parse(text) {
            Ok(Host::Domain(name)) => is_name(&name),
            other => other.is_ok(),
        };
    if is_host {
        Ok(())
    } else {
        Err(garde::Error::new("malformed"))
    }
}

/// True for a label of a host name.
fn is_label(label: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !label.is_empty()
        && label.bytes().all(is_allowed)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_an_address_or_a_name() {
        let is_host = |text| is_host(text, &Environment::Development).is_ok();
        for host in [
            "0.0.0.0",
            "::",
            "[::1]",
            "fe80::1%eth0",
            "localhost",
            "pod-0.a_b.svc",
            "a.svc.",
        ] {
            assert!(is_host(host), "{host}");
        }
        for other in [
            ":::",
            "256.1.1.1",
            "a b",
            "127.0.0.1:5000",
            "http://a",
            "a/b",
            "%eth0",
            "*",
            "*.local",
            "-x",
            "x-.local",
            "a..b",
            "a..",
        ] {
            assert!(!is_host(other), "{other}");
        }
    }
}
