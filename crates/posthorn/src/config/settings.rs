//! The typed settings, one section for each concern.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use posthorn_application::RetentionPolicy;
use posthorn_domain::{AddressRange, ContentRules, Durability, Environment, QuotaRule};
use posthorn_http::{CorsOrigins, Locale, TrustedProxies};
use posthorn_telemetry::{LogFormat, TraceSampler};
use secrecy::SecretString;

/// Everything the binary needs to know.
#[derive(Debug)]
pub struct Settings {
    /// Where the process runs.
    pub environment: Environment,
    /// The application's name.
    pub app_name: String,
    /// The application's version.
    pub app_version: String,
    /// The host's or the pod's name.
    pub pod: String,
    /// Where the server listens.
    pub listen: ListenSection,
    /// The keys that sign tokens.
    pub secret: SecretSection,
    /// Who may do what.
    pub access: AccessSection,
    /// Where messages are kept.
    pub store: StoreSection,
    /// The shared Redis, if there is one.
    pub redis: Option<RedisSection>,
    /// What requests may do.
    pub http: HttpSection,
    /// How many requests a client may make; `None` for any number.
    pub quotas: Option<QuotaSection>,
    /// What is logged.
    pub log: LogSection,
    /// Where traces go; `None` for nowhere.
    pub traces: Option<TraceSection>,
    /// How the process stops.
    pub shutdown: ShutdownSection,
}

/// Where the server listens.
#[derive(Clone, Debug)]
pub struct ListenSection {
    /// An IP address or a host name.
    pub host: String,
    /// The port; 0 takes a free one.
    pub port: u16,
    /// The port of `/metrics`, when it has its own.
    pub metrics_port: Option<u16>,
}

/// The keys that sign tokens.
#[derive(Debug)]
pub struct SecretSection {
    /// The current key.
    pub key: SecretString,
    /// The key before the last rotation.
    pub previous: Option<SecretString>,
    /// Whether the key was made at random at this start.
    pub key_is_random: bool,
}

/// Who may do what.
#[derive(Clone, Debug)]
pub struct AccessSection {
    /// Whether sending needs a token, where anything does.
    pub require_write_token: bool,
    /// How many tokens of one client may be refused; `None` after a mistake.
    pub failures: Option<QuotaRule>,
}

/// Where messages are kept.
#[derive(Clone, Debug)]
pub enum StoreUrl {
    /// In one file of this machine.
    File(PathBuf),
    /// In the memory of the process.
    Memory,
    /// In a shared Redis.
    Redis(SecretString),
}

/// Where messages are kept, how safely and how long.
#[derive(Debug)]
pub struct StoreSection {
    /// The store.
    pub url: StoreUrl,
    /// What must be reached before a message is acknowledged, when that was said.
    pub durability: Option<Durability>,
    /// How long and how many.
    pub retention: RetentionPolicy,
    /// How long an idempotency key is remembered.
    pub idempotency_ttl: Duration,
}

/// The shared Redis.
#[derive(Debug)]
pub struct RedisSection {
    /// Its URL, with its password.
    pub url: SecretString,
    /// Whether the start stops without it.
    pub required: bool,
}

/// What requests may do.
#[derive(Clone, Debug)]
pub struct HttpSection {
    /// The limits on a message's text.
    pub content_rules: ContentRules,
    /// The largest body, in bytes.
    pub max_body_bytes: usize,
    /// The language when the client names none that is known.
    pub default_locale: Locale,
    /// Which other origins' pages may call.
    pub cors_origins: CorsOrigins,
    /// How many requests a second one client may make; 0 is no limit.
    pub flood_per_second: u32,
    /// How many it may make at once before that counts.
    pub flood_burst: u32,
    /// The proxies that are ours.
    pub trusted_proxies: TrustedProxies,
    /// The bound on reading a body and answering.
    pub request_timeout: Duration,
    /// The bound on reading a head.
    pub header_timeout: Duration,
    /// How long an idle connection is kept.
    pub keep_alive: Duration,
    /// The most connections at once.
    pub max_connections: usize,
    /// The most requests at once.
    pub max_in_flight: usize,
    /// The most streams at once.
    pub max_streams: usize,
    /// How many threads handle requests.
    pub workers: usize,
}

/// How many requests a client may make.
#[derive(Clone, Debug)]
pub struct QuotaSection {
    /// On accepting messages.
    pub message: QuotaRule,
    /// On reading topics, messages and streams.
    pub read: QuotaRule,
    /// On each other route.
    pub default: QuotaRule,
    /// Who has no limits.
    pub exempt: Vec<AddressRange>,
    /// Among how many processes the limits are divided while each counts alone.
    pub replicas: NonZeroU32,
}

/// What is logged.
#[derive(Clone, Debug)]
pub struct LogSection {
    /// A level or a `tracing` filter.
    pub level: String,
    /// For people or for machines.
    pub format: LogFormat,
}

/// Where traces go, and which.
#[derive(Clone, Debug)]
pub struct TraceSection {
    /// The collector's URL for traces.
    pub endpoint: String,
    /// How long one export may take.
    pub timeout: Duration,
    /// The service's name, where it is not the application's.
    pub service_name: Option<String>,
    /// Which traces are sent.
    pub sampler: TraceSampler,
}

/// How the process stops.
#[derive(Clone, Copy, Debug)]
pub struct ShutdownSection {
    /// How long it goes on serving, reported as not ready.
    pub drain_delay: Duration,
    /// How long requests in flight may take to finish.
    pub timeout: Duration,
}
