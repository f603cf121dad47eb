//! Every setting: its name, its default, what it takes and what it means.

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name in the environment; the file uses the same name in lower case.
    pub name: &'static str,
    /// Its default, as it would be written; `None` when it is worked out or there is none.
    pub default: Option<&'static str>,
    /// The default in words, where it is worked out.
    pub default_note: &'static str,
    /// The values it takes, in words.
    pub takes: &'static str,
    /// What it is for.
    pub meaning: &'static str,
    /// Whether the value is shown masked and may come from the file that `NAME_FILE` names.
    pub secret: bool,
}

const fn setting(
    name: &'static str,
    default: &'static str,
    takes: &'static str,
    meaning: &'static str,
) -> Setting {
    Setting {
        name,
        default: Some(default),
        default_note: "",
        takes,
        meaning,
        secret: false,
    }
}

const fn derived(
    name: &'static str,
    default_note: &'static str,
    takes: &'static str,
    meaning: &'static str,
) -> Setting {
    Setting {
        name,
        default: None,
        default_note,
        takes,
        meaning,
        secret: false,
    }
}

const fn secret(setting: Setting) -> Setting {
    Setting {
        secret: true,
        ..setting
    }
}

const DURATION: &str = "a duration such as `500ms`, `10s`, `5m`, `24h`, `7d`";
const LIMITS: &str = "limits such as `10 per minute` or `200/day;50/hour`: a number, `per` or `/`, perhaps a number, \
    and `second`, `minute`, `hour`, `day`, `month` or `year`";
const BOOLEAN: &str = "`true` or `false`";

macro_rules! catalogue {
    ($($ident:ident = $setting:expr;)*) => {
        $(pub(super) const $ident: Setting = $setting;)*
        /// Every setting, in the order in which they are shown.
        pub const CATALOGUE: &[Setting] = &[$($ident),*];
    };
}

catalogue! {
    ENVIRONMENT = setting("ENVIRONMENT", "development", "`development`, `testing` or `production`",
        "Where the process runs. `production` refuses unsafe settings.");
    HOST = setting("HOST", "127.0.0.1", "an IP address or a host name",
        "The address the server listens on.");
    PORT = setting("PORT", "5000", "a port, 0 to 65535; 0 takes a free one",
        "The port the server listens on.");
    METRICS_PORT = derived("METRICS_PORT", "same as `PORT`", "a port, 0 to 65535; 0 takes a free one",
        "When set, `/metrics` is served on this port only, and the probes on both.");
    APP_NAME = setting("APP_NAME", "posthorn", "a text",
        "The name shown by `info` and in logs.");
    APP_VERSION = derived("APP_VERSION", "the version of the build", "a text",
        "The version shown by `info`, `health` and `app_info`.");
    HOSTNAME = derived("HOSTNAME", "the host's name", "a text",
        "The pod's name shown by `info`, receipts and `app_info`.");
    SECRET_KEY = secret(derived("SECRET_KEY", "random at each start outside production",
        "at least 32 bytes, not a published sample value",
        "The key that signs tokens. Production refuses to start without it."));
    SECRET_KEY_PREVIOUS = secret(derived("SECRET_KEY_PREVIOUS", "none",
        "at least 32 bytes, not a published sample value",
        "The key before the last rotation; it still verifies."));
    REQUIRE_WRITE_TOKEN = setting("REQUIRE_WRITE_TOKEN", "false", BOOLEAN,
        "Whether sending needs a token in production too. Reading and deleting always do there; elsewhere nothing does.");
    RATE_LIMIT_AUTH_FAILURES = setting("RATE_LIMIT_AUTH_FAILURES", "20 per minute",
        "limits such as `20 per minute;100 per hour`",
        "How many tokens of one client may be refused before the answer is 429; counted by each process.");
    STORE_URL = secret(setting("STORE_URL", "file:data/posthorn.db",
        "`file:PATH`, `memory:`, or a Redis URL as in `REDIS_URL`",
        "Where messages are kept. `memory:` keeps them until the process ends."));
    STORE_DURABILITY = derived("STORE_DURABILITY",
        "`synced` for `file:`; what the server can reach, up to `synced`, for Redis; `memory` for `memory:`",
        "`memory`, `synced` or `replicated`",
        "What must be reached before a message is acknowledged. A store that cannot reach it stops the start.");
    RETENTION_AGE = setting("RETENTION_AGE", "7d", DURATION,
        "Messages older than this are pruned.");
    RETENTION_COUNT = setting("RETENTION_COUNT", "100000", "a number from 1",
        "Of more messages than this in a topic the oldest are pruned.");
    IDEMPOTENCY_TTL = setting("IDEMPOTENCY_TTL", "24h", DURATION,
        "How long an `Idempotency-Key` is remembered.");
    REDIS_URL = secret(derived("REDIS_URL", "none",
        "`redis://`, `rediss://`, `redis+sentinel://` or `redis+cluster://` and an address",
        "The Redis for cache and quotas. Without it they live in the process's memory."));
    REDIS_REQUIRED = derived("REDIS_REQUIRED", "`true` in production when `REDIS_URL` is set, else `false`",
        BOOLEAN, "Whether an unreachable Redis stops the start.");
    MAX_MESSAGE_LENGTH = setting("MAX_MESSAGE_LENGTH", "1000", "a number from 1 to 1000000",
        "The most Unicode scalar values of a message, after trimming.");
    MAX_BODY_BYTES = setting("MAX_BODY_BYTES", "65536", "a number of bytes from 1 to 16777216",
        "The largest request body.");
    MESSAGE_CHARSET = setting("MESSAGE_CHARSET", "text", "`text` or `strict`",
        "`strict` takes letters, digits, `_`, white space and `-.,!?;:()` only.");
    DEFAULT_LOCALE = setting("DEFAULT_LOCALE", "ru", "`ru` or `en`",
        "The language of texts when `Accept-Language` names neither.");
    CORS_ORIGINS = setting("CORS_ORIGINS", "", "a comma list of origins such as `https://app.example`, or `*`",
        "The origins whose pages may call the API. `*` is refused in production.");
    TRUSTED_PROXY_HOPS = setting("TRUSTED_PROXY_HOPS", "0", "a number from 0 to 16",
        "How many entries of the header of `TRUSTED_PROXY_HEADER`, from the right, were added by our own proxies. With 0 the header is ignored.");
    TRUSTED_PROXY_HEADER = setting("TRUSTED_PROXY_HEADER", "x-forwarded-for", "`x-forwarded-for` or `forwarded` (RFC 7239)",
        "The header in which our own proxies name the client; the other one is ignored.");
    RATE_LIMIT_ENABLED = setting("RATE_LIMIT_ENABLED", "true", BOOLEAN,
        "Whether the requests of each client are counted and limited.");
    RATE_LIMIT_MESSAGE = setting("RATE_LIMIT_MESSAGE", "10 per minute", LIMITS,
        "How many messages one client may send, over all routes that accept them.");
    RATE_LIMIT_READ = setting("RATE_LIMIT_READ", "600 per minute", LIMITS,
        "How many requests one client may make to read topics, messages and streams.");
    RATE_LIMIT_DEFAULT = setting("RATE_LIMIT_DEFAULT", "200 per day;50 per hour", LIMITS,
        "How many requests one client may make to each other route of the API.");
    RATE_LIMIT_STRATEGY = setting("RATE_LIMIT_STRATEGY", "fixed-window", "`fixed-window` or `moving-window`",
        "Whether the windows of a limit follow each other, or each ends now. A moving one takes 10000 requests at most.");
    RATE_LIMIT_EXEMPT = setting("RATE_LIMIT_EXEMPT", "", "a comma list of addresses and blocks such as `10.0.0.0/8,fd00::/8`",
        "Clients at these addresses have no quotas.");
    QUOTA_REPLICAS_HINT = setting("QUOTA_REPLICAS_HINT", "1", "a number from 1 to the smallest limit",
        "How many processes share the limits whenever each counts alone, which is without Redis or while it is away: each takes its share.");
    FLOOD_PER_SECOND = setting("FLOOD_PER_SECOND", "0", "a number from 0; 0 switches the guard off",
        "How many requests a second one client may make to this process, probes exempt.");
    FLOOD_BURST = setting("FLOOD_BURST", "100", "a number from 1",
        "How many requests one client may make at once before `FLOOD_PER_SECOND` counts.");
    REQUEST_TIMEOUT = setting("REQUEST_TIMEOUT", "10s", DURATION,
        "The time to read a request's body and answer it; streams are exempt once they run.");
    HEADER_TIMEOUT = setting("HEADER_TIMEOUT", "5s", DURATION,
        "The time to read a request's head.");
    KEEP_ALIVE = setting("KEEP_ALIVE", "75s", DURATION,
        "How long an idle connection is kept open.");
    MAX_CONNECTIONS = setting("MAX_CONNECTIONS", "25000", "a number from 1",
        "The most connections open at once, as far as the limit on open files allows; shared evenly by `WORKERS`, rounded down.");
    MAX_IN_FLIGHT = setting("MAX_IN_FLIGHT", "1024", "a number from 1",
        "The most requests handled at once; past it the answer is 503 `overloaded`, probes exempt.");
    MAX_STREAMS = setting("MAX_STREAMS", "10000", "a number from 0",
        "The most streams open at once; past it the answer is 503 `overloaded`.");
    WORKERS = derived("WORKERS", "one for each processor", "a number from 1 to 512",
        "How many threads handle requests.");
    DRAIN_DELAY = derived("DRAIN_DELAY", "`5s` in production, else `0s`", DURATION,
        "How long the server goes on serving, reported as not ready, before it stops accepting.");
    SHUTDOWN_TIMEOUT = setting("SHUTDOWN_TIMEOUT", "25s", DURATION,
        "How long requests in flight may take to finish once the server stops accepting.");
    LOG_LEVEL = setting("LOG_LEVEL", "info", "a level or a `tracing` filter such as `info,posthorn_redis=debug`",
        "What is logged.");
    LOG_FORMAT = derived("LOG_FORMAT", "`pretty` in development, else `bunyan`", "`pretty` or `bunyan`",
        "How logs are written: for people, or as Bunyan JSON lines.");
    OTEL_EXPORTER_OTLP_ENDPOINT = derived("OTEL_EXPORTER_OTLP_ENDPOINT", "none",
        "an `http://` or `https://` URL without credentials",
        "The collector that traces are sent to, at its `/v1/traces`. Without it none are sent.");
    OTEL_EXPORTER_OTLP_PROTOCOL = setting("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", "`http/protobuf`",
        "How traces are sent.");
    OTEL_EXPORTER_OTLP_TIMEOUT = setting("OTEL_EXPORTER_OTLP_TIMEOUT", "10000", "a number of milliseconds from 1 to 600000",
        "How long the collector may take for a batch of traces.");
    OTEL_SERVICE_NAME = derived("OTEL_SERVICE_NAME", "same as `APP_NAME`", "a text",
        "The name of the service in traces.");
    OTEL_TRACES_SAMPLER = setting("OTEL_TRACES_SAMPLER", "parentbased_always_on",
        "`always_on`, `always_off` or `traceidratio`, each also after `parentbased_`",
        "Which traces are sent; after `parentbased_` what the client's `traceparent` says comes first.");
    OTEL_TRACES_SAMPLER_ARG = setting("OTEL_TRACES_SAMPLER_ARG", "1", "a number from 0 to 1",
        "The share of traces that `traceidratio` sends.");
    OTEL_SDK_DISABLED = setting("OTEL_SDK_DISABLED", "false", BOOLEAN,
        "Whether no traces are sent although there is a collector.");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_upper_case() {
        let names: BTreeSet<_> = CATALOGUE.iter().map(|setting| setting.name).collect();
        assert_eq!(names.len(), CATALOGUE.len());
        assert!(names.iter().all(|name| **name == name.to_uppercase()));
    }
}
