//! What the server is told by the configuration.

mod cors_origins;
mod locale;
mod trusted_proxies;

use std::net::SocketAddr;
use std::time::Duration;

use posthorn_domain::ContentRules;

pub use cors_origins::{CorsOrigins, CorsOriginsError};
pub use locale::Locale;
pub use trusted_proxies::{ProxyHeader, TrustedProxies};

/// The settings of the HTTP server.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Where it listens; port 0 takes a free one.
    pub addresses: Vec<SocketAddr>,
    /// Where `/metrics` is served, and the probes too; on the main listener when empty.
    pub metrics_addresses: Vec<SocketAddr>,
    /// How many threads handle requests; at least 1, and no more than connections.
    pub workers: usize,
    /// The largest request body, in bytes.
    pub max_body_bytes: usize,
    /// The limits on a message's text.
    pub content_rules: ContentRules,
    /// The language when the client names none that is known.
    pub default_locale: Locale,
    /// Whether browsers are told to use TLS only (`Strict-Transport-Security`, RFC 6797).
    pub is_production: bool,
    /// Which other origins' pages may call.
    pub cors_origins: CorsOrigins,
    /// The bound on reading a body and making an answer.
    pub request_timeout: Duration,
    /// The bound on reading a request's head.
    pub header_timeout: Duration,
    /// How long an idle connection is kept open.
    pub keep_alive: Duration,
    /// The most connections open at once; each worker has its share, rounded down.
    pub max_connections: usize,
    /// The most requests handled at once; probes and metrics do not count.
    pub max_in_flight: usize,
    /// The most streams open at once.
    pub max_streams: usize,
    /// How many requests a second one client may make to this process; 0 switches the guard off.
    pub flood_per_second: u32,
    /// How many requests one client may make at once before that rate counts; at least 1.
    pub flood_burst: u32,
    /// The proxies that are ours.
    pub trusted_proxies: TrustedProxies,
    /// How long requests in flight may take to finish once the server stops accepting; whole
    /// seconds, rounded up.
    pub shutdown_timeout: Duration,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            addresses: vec![SocketAddr::from(([127, 0, 0, 1], 5000))],
            metrics_addresses: Vec::new(),
            workers: 1,
            max_body_bytes: 65_536,
            content_rules: ContentRules::default(),
            default_locale: Locale::Ru,
            is_production: false,
            cors_origins: CorsOrigins::None,
            request_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(5),
            keep_alive: Duration::from_secs(75),
            max_connections: 25_000,
            max_in_flight: 1024,
            max_streams: 10_000,
            flood_per_second: 0,
            flood_burst: 100,
            trusted_proxies: TrustedProxies::default(),
            shutdown_timeout: Duration::from_secs(25),
        }
    }
}
