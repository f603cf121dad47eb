//! Reads the typed settings out of the sources, and checks them against each other.

use std::path::PathBuf;

use posthorn_application::RetentionPolicy;
use posthorn_domain::{
    Charset, ContentRules, Durability, Environment, QuotaLimits, QuotaRule, QuotaStrategy,
};
use posthorn_http::{CorsOrigins, Locale, ProxyHeader, TrustedProxies};
use posthorn_redis::RedisSettings;
use posthorn_telemetry::LogFormat;
use secrecy::SecretString;

use super::catalogue as names;
use super::reader::{ConfigError, ConfigErrors, Reader};
use super::settings::{
    AccessSection, HttpSection, ListenSection, LogSection, RedisSection, SecretSection, Settings,
    ShutdownSection, StoreSection, StoreUrl,
};
use super::{Loaded, Sources, parse, quotas, secret, traces};

/// Reads everything; every mistake is in the error.
pub(super) fn read(sources: &Sources) -> Result<Loaded, ConfigErrors> {
    let figment = sources.figment().map_err(|error| {
        ConfigErrors(vec![ConfigError {
            name: "--config".to_owned(),
            problem: error.to_string(),
        }])
    })?;
    let mut reader = Reader::new(figment);
    for name in sources.not_utf8() {
        reader.refuse_not_utf8(name);
    }
    let environment = reader.read(&names::ENVIRONMENT, |text| {
        use Environment::{Development, Production, Testing};
        parse::one_of(
            &[Development, Testing, Production].map(|e| (e.as_str(), e)),
            text,
        )
    });
    let settings = Settings {
        environment,
        app_name: reader.read(&names::APP_NAME, parse::text),
        app_version: reader.read_or(&names::APP_VERSION, env!("CARGO_PKG_VERSION"), parse::text),
        pod: reader.read_or(
            &names::HOSTNAME,
            &posthorn_telemetry::host_name(),
            parse::text,
        ),
        listen: read_listen(&mut reader),
        secret: read_secret(&mut reader, environment),
        access: read_access(&mut reader),
        store: read_store(&mut reader),
        redis: read_redis(&mut reader, environment),
        http: read_http(&mut reader, environment),
        quotas: quotas::read(&mut reader),
        log: read_log(&mut reader, environment),
        traces: traces::read(&mut reader),
        shutdown: read_shutdown(&mut reader, environment),
    };
    Ok(Loaded {
        effective: reader.finish()?,
        settings,
    })
}

fn read_listen(reader: &mut Reader) -> ListenSection {
    let port = parse::number(0..=u16::MAX);
    let section = ListenSection {
        host: reader.read(&names::HOST, parse::text),
        port: reader.read(&names::PORT, &port),
        metrics_port: reader.read_optional(&names::METRICS_PORT, &port),
    };
    if section.metrics_port.is_none() {
        reader.show(
            &names::METRICS_PORT,
            section.port.to_string(),
            "default".to_owned(),
        );
    }
    // The same number is the same listener, unless each asks for a free one.
    let metrics_port = section
        .metrics_port
        .filter(|port| *port != section.port || *port == 0);
    ListenSection {
        metrics_port,
        ..section
    }
}

fn read_secret(reader: &mut Reader, environment: Environment) -> SecretSection {
    let checked = |text: &str| {
        if environment.is_production() {
            secret::check_key(text)?;
        }
        Ok(SecretString::from(text))
    };
    let mut invalid = false;
    let key = reader.read_optional(&names::SECRET_KEY, |text| {
        checked(text).inspect_err(|_| invalid = true)
    });
    if key.is_none() && !invalid {
        if environment.is_production() {
            reader.error(&names::SECRET_KEY, "production needs it, and it is not set");
        } else {
            reader.show(
                &names::SECRET_KEY,
                "(random)".to_owned(),
                "default".to_owned(),
            );
        }
    }
    let key_is_random = key.is_none();
    SecretSection {
        key: key.unwrap_or_else(random_key),
        previous: reader.read_optional(&names::SECRET_KEY_PREVIOUS, checked),
        key_is_random,
    }
}

fn read_access(reader: &mut Reader) -> AccessSection {
    AccessSection {
        require_write_token: reader.read(&names::REQUIRE_WRITE_TOKEN, parse::boolean),
        failures: reader.read(&names::RATE_LIMIT_AUTH_FAILURES, |text| {
            let limits = QuotaLimits::parse(text).map_err(|error| error.to_string())?;
            // A fixed window is one small record for each client.
            let rule = QuotaRule::new(limits, QuotaStrategy::FixedWindow);
            rule.map(Some).map_err(|error| error.to_string())
        }),
    }
}

/// 256 random bits from a cryptographically secure generator, in hexadecimal.
fn random_key() -> SecretString {
    let bytes: [u8; 32] = rand::random();
    SecretString::from(
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<Vec<_>>()
            .concat(),
    )
}

fn read_store(reader: &mut Reader) -> StoreSection {
    let at_least_one = parse::number(1..=u64::MAX);
    let url = reader.read(&names::STORE_URL, |text| store_url(text).map(Some));
    let durability = reader.read_optional(&names::STORE_DURABILITY, |text| {
        text.trim()
            .parse::<Durability>()
            .map_err(|_| format!("`{text}` is none of them"))
    });
    if durability.is_none() {
        let note = match url {
            Some(StoreUrl::Memory) => "memory",
            Some(StoreUrl::Redis(_)) => "what the server can reach, up to synced",
            Some(StoreUrl::File(_)) | None => "synced",
        };
        reader.show(
            &names::STORE_DURABILITY,
            note.to_owned(),
            "default".to_owned(),
        );
    }
    let reachable = match url {
        Some(StoreUrl::Memory) => Durability::Memory,
        Some(StoreUrl::File(_)) => Durability::Synced,
        Some(StoreUrl::Redis(_)) | None => Durability::Replicated,
    };
    if durability.is_some_and(|wanted| wanted > reachable) {
        let problem = format!("the store of STORE_URL reaches `{reachable}` at most");
        reader.error(&names::STORE_DURABILITY, &problem);
    }
    StoreSection {
        url: url.unwrap_or(StoreUrl::Memory),
        durability,
        retention: RetentionPolicy {
            max_age: reader.read(&names::RETENTION_AGE, parse::positive_duration),
            max_count: reader.read(&names::RETENTION_COUNT, at_least_one),
        },
        idempotency_ttl: reader.read(&names::IDEMPOTENCY_TTL, parse::positive_duration),
    }
}

fn store_url(text: &str) -> Result<StoreUrl, String> {
    let text = text.trim();
    match text.split_once(':') {
        Some(("memory", "")) => Ok(StoreUrl::Memory),
        Some(("file", "")) => Err("`file:` names no path".to_owned()),
        Some(("file", path)) => Ok(StoreUrl::File(PathBuf::from(path))),
        _ => redis_url(text).map(StoreUrl::Redis),
    }
}

fn redis_url(text: &str) -> Result<SecretString, String> {
    let url = SecretString::from(text.trim());
    match RedisSettings::new(url.clone()).validate() {
        Ok(()) => Ok(url),
        Err(error) => Err(error.to_string()),
    }
}

fn read_redis(reader: &mut Reader, environment: Environment) -> Option<RedisSection> {
    let url = reader.read_optional(&names::REDIS_URL, redis_url);
    let default = url.is_some() && environment.is_production();
    let required = reader.read_or(&names::REDIS_REQUIRED, &default.to_string(), parse::boolean);
    if required && url.is_none() {
        reader.error(
            &names::REDIS_REQUIRED,
            "it is `true`, and REDIS_URL is not set",
        );
    }
    url.map(|url| RedisSection { url, required })
}

fn read_http(reader: &mut Reader, environment: Environment) -> HttpSection {
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let at_least_one = parse::number(1..=usize::MAX);
    let section = HttpSection {
        content_rules: ContentRules {
            max_length: reader.read(&names::MAX_MESSAGE_LENGTH, parse::number(1..=1_000_000)),
            charset: reader.read(&names::MESSAGE_CHARSET, |text| {
                parse::one_of(
                    &[("text", Charset::Text), ("strict", Charset::Strict)],
                    text,
                )
            }),
        },
        max_body_bytes: reader.read(&names::MAX_BODY_BYTES, parse::number(1..=16 << 20)),
        default_locale: reader.read(&names::DEFAULT_LOCALE, |text| {
            parse::one_of(&[("ru", Locale::Ru), ("en", Locale::En)], text)
        }),
        cors_origins: reader.read(&names::CORS_ORIGINS, |text| {
            CorsOrigins::parse(text).map_err(|error| error.to_string())
        }),
        flood_per_second: reader.read(&names::FLOOD_PER_SECOND, parse::number(0..=u32::MAX)),
        flood_burst: reader.read(&names::FLOOD_BURST, parse::number(1..=u32::MAX)),
        trusted_proxies: TrustedProxies {
            hops: reader.read(&names::TRUSTED_PROXY_HOPS, parse::number(0..=16)),
            header: reader.read(&names::TRUSTED_PROXY_HEADER, |text| {
                let choices = [
                    ("x-forwarded-for", ProxyHeader::XForwardedFor),
                    ("forwarded", ProxyHeader::Forwarded),
                ];
                parse::one_of(&choices, &text.to_lowercase())
            }),
        },
        request_timeout: reader.read(&names::REQUEST_TIMEOUT, parse::positive_duration),
        header_timeout: reader.read(&names::HEADER_TIMEOUT, parse::positive_duration),
        keep_alive: reader.read(&names::KEEP_ALIVE, parse::positive_duration),
        max_connections: reader.read(&names::MAX_CONNECTIONS, &at_least_one),
        max_in_flight: reader.read(&names::MAX_IN_FLIGHT, &at_least_one),
        max_streams: reader.read(&names::MAX_STREAMS, parse::number(0..=usize::MAX)),
        workers: reader.read_or(
            &names::WORKERS,
            &workers.to_string(),
            parse::number(1..=512),
        ),
    };
    if environment.is_production() && section.cors_origins == CorsOrigins::Any {
        reader.error(
            &names::CORS_ORIGINS,
            "`*` is refused in production: name the origins",
        );
    }
    section
}

fn read_log(reader: &mut Reader, environment: Environment) -> LogSection {
    let format = if environment == Environment::Development {
        "pretty"
    } else {
        "bunyan"
    };
    LogSection {
        level: reader.read(&names::LOG_LEVEL, |text| {
            posthorn_telemetry::check_filter(text)
                .map(|()| text.trim().to_owned())
                .map_err(|error| error.to_string())
        }),
        format: reader
            .read_or(&names::LOG_FORMAT, format, |text| {
                let choices = [("pretty", LogFormat::Pretty), ("bunyan", LogFormat::Bunyan)];
                parse::one_of(&choices, text).map(Some)
            })
            .unwrap_or(LogFormat::Bunyan),
    }
}

fn read_shutdown(reader: &mut Reader, environment: Environment) -> ShutdownSection {
    let drain = if environment.is_production() {
        "5s"
    } else {
        "0s"
    };
    ShutdownSection {
        drain_delay: reader.read_or(&names::DRAIN_DELAY, drain, parse::duration),
        timeout: reader.read(&names::SHUTDOWN_TIMEOUT, parse::duration),
    }
}
