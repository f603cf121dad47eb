//! The architecture as data: which crate may depend on which, and where each technology lives.

const PERMISSIVE: &str = "MIT OR Apache-2.0";
/// The licence of `actix-governor`, and so of what is linked with it.
const COPYLEFT: &str = "GPL-3.0-or-later";

/// The crate that any other may use in its tests, and nowhere else.
pub(super) const TESTKIT: &str = "posthorn-testkit";

/// A crate of the workspace.
#[derive(Debug)]
pub(super) struct CrateRule {
    pub(super) name: &'static str,
    pub(super) licence: &'static str,
    /// The crates of the workspace that it may depend on.
    pub(super) arrows: &'static [&'static str],
    /// The only third-party crates that it may be built from; `None` for no such list.
    pub(super) third_party: Option<&'static [&'static str]>,
}

/// Where a technology lives. A prefix ends with `*`.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) dependency: &'static str,
    pub(super) crates: &'static [&'static str],
}

const fn member(name: &'static str, arrows: &'static [&'static str]) -> CrateRule {
    CrateRule {
        name,
        licence: PERMISSIVE,
        arrows,
        third_party: None,
    }
}

const CORE: &[&str] = &["posthorn-application", "posthorn-domain"];

/// Every crate, each after those it builds on.
pub(super) const CRATES: [CrateRule; 18] = [
    CrateRule {
        third_party: Some(&["base64", "ipnet", "thiserror", "ulid", "url", "zeroize"]),
        ..member("posthorn-domain", &[])
    },
    CrateRule {
        third_party: Some(&[
            "async-trait",
            "event-listener",
            "futures-util",
            "sha2",
            "thiserror",
            "tracing",
        ]),
        ..member("posthorn-application", &["posthorn-domain"])
    },
    member(TESTKIT, CORE),
    member("posthorn-memory", CORE),
    member("posthorn-embedded", CORE),
    member("posthorn-jwt", CORE),
    member("posthorn-redis", CORE),
    member("posthorn-system", CORE),
    member("posthorn-telemetry", CORE),
    member("posthorn-webhooks", CORE),
    member("posthorn-http1", &[]),
    CrateRule {
        licence: COPYLEFT,
        ..member(
            "posthorn-http",
            &["posthorn-application", "posthorn-domain", "posthorn-http1"],
        )
    },
    member("posthorn-client", &["posthorn-domain"]),
    CrateRule {
        licence: COPYLEFT,
        ..member(
            "posthorn-config",
            &[
                "posthorn-application",
                "posthorn-domain",
                "posthorn-embedded",
                "posthorn-http",
                "posthorn-jwt",
                "posthorn-memory",
                "posthorn-redis",
                "posthorn-telemetry",
                "posthorn-webhooks",
            ],
        )
    },
    CrateRule {
        licence: COPYLEFT,
        ..member(
            "posthorn-cli",
            &[
                "posthorn-application",
                "posthorn-client",
                "posthorn-config",
                "posthorn-domain",
                "posthorn-http",
                "posthorn-system",
            ],
        )
    },
    CrateRule {
        licence: COPYLEFT,
        ..member(
            "posthorn",
            &[
                "posthorn-application",
                "posthorn-cli",
                "posthorn-client",
                "posthorn-config",
                "posthorn-domain",
                "posthorn-embedded",
                "posthorn-http",
                "posthorn-jwt",
                "posthorn-memory",
                "posthorn-redis",
                "posthorn-system",
                "posthorn-telemetry",
                "posthorn-webhooks",
            ],
        )
    },
    member("posthorn-bench-baseline", &[]),
    member("xtask", &[]),
];

const fn home(dependency: &'static str, crates: &'static [&'static str]) -> Home {
    Home { dependency, crates }
}

/// What the tests of any crate may use: those that read the log, and those that collect traces.
pub(super) const FREE_IN_TESTS: [&str; 2] = ["opentelemetry-proto", "tracing-subscriber"];

/// Technologies with a home; all others are free. Tests keep to them too.
pub(super) const HOMES: [Home; 18] = [
    home(
        "actix-*",
        &["posthorn-http", "posthorn-http1", "posthorn-bench-baseline"],
    ),
    home("clap", &["posthorn-cli", "posthorn-client", "xtask"]),
    home("deadpool*", &["posthorn-redis"]),
    home("figment", &["posthorn-config"]),
    home("garde", &["posthorn-config", "posthorn-http"]),
    home("governor", &["posthorn-http"]),
    home("jsonwebtoken", &["posthorn-jwt"]),
    home("mini-moka", &["posthorn-memory"]),
    home("opentelemetry*", &["posthorn-telemetry"]),
    home("prometheus-client", &["posthorn-telemetry"]),
    home("redis", &["posthorn-redis"]),
    home("ring", &["posthorn-webhooks"]),
    home(
        "rusqlite",
        &["posthorn-embedded", "posthorn-bench-baseline"],
    ),
    home("tracing-bunyan-formatter", &["posthorn-telemetry"]),
    home("tracing-log", &["posthorn-telemetry"]),
    home("tracing-opentelemetry", &["posthorn-telemetry"]),
    home("tracing-subscriber", &["posthorn-telemetry"]),
    home("utoipa*", &["posthorn-http"]),
];

impl Home {
    /// Whether this is the home of a crate of that name.
    pub(super) fn is_of(&self, name: &str) -> bool {
        match self.dependency.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => self.dependency == name,
        }
    }
}
