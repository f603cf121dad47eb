//! The shared Redis.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use garde::Validate;
use posthorn_domain::Environment;
use posthorn_http::settings::{DurationText, parsed_option};
use posthorn_redis::{RedisAccess, RedisSettings, RedisSettingsError};
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::section::{ComputedDefault, KnownValues, Section};

/// The shared Redis.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[garde(allow_unvalidated)]
#[garde(context(Environment))]
pub struct RedisSection {
    /// The Redis for cache and quotas. Without it they live in the process's memory.
    #[serde(default, deserialize_with = "parsed_option")]
    #[schemars(with = "String", extend(
        "writeOnly" = true, "format" = "uri",
        "x-takes" = "`redis://`, `rediss://`, `redis+sentinel://` or `redis+cluster://` and an address"
    ))]
    pub redis_url: Option<RedisUrl>,
    /// The user of Redis, for a `REDIS_URL` or `STORE_URL` without credentials.
    #[schemars(with = "String", extend("minLength" = 1))]
    pub redis_username: Option<String>,
    /// The password of Redis, for a `REDIS_URL` or `STORE_URL` without credentials. Any text, as it is.
    #[schemars(with = "String", extend("writeOnly" = true))]
    pub redis_password: Option<SecretString>,
    /// The user of the Redis of `STORE_URL`, if it is another one.
    #[schemars(with = "String", extend("minLength" = 1))]
    pub store_redis_username: Option<String>,
    /// The password of the Redis of `STORE_URL`, if it is another one.
    #[schemars(with = "String", extend("writeOnly" = true))]
    pub store_redis_password: Option<SecretString>,
    /// A file with the authorities to trust for `rediss://`, in PEM. Without it those of the system, or of
    /// `SSL_CERT_FILE`.
    #[schemars(with = "String", extend("x-takes" = "a path"))]
    pub redis_ca_file: Option<PathBuf>,
    /// A file with the client's certificate for `rediss://`, in PEM.
    #[schemars(with = "String", extend("x-takes" = "a path"))]
    pub redis_cert_file: Option<PathBuf>,
    /// A file with the private key of `REDIS_CERT_FILE`, in PEM.
    #[schemars(with = "String", extend("x-takes" = "a path", "x-secret-file" = true))]
    pub redis_key_file: Option<PathBuf>,
    /// How long the start waits for an unreachable Redis that is required. It does not wait for what time
    /// does not cure, such as a wrong password.
    #[serde(with = "DurationText")]
    #[schemars(extend("x-default" = "`5m` in production, else `5s`"))]
    pub redis_start_timeout: Duration,
    /// Whether an unreachable Redis stops the start.
    #[schemars(extend(
        "x-default" = "`true` in production when `REDIS_URL` is set, else `false`"
    ))]
    #[garde(custom(with_url(self.redis_url.as_ref())))]
    pub redis_required: bool,
}

/// The URL of a Redis, with its password.
#[derive(Clone, Debug)]
pub struct RedisUrl(pub SecretString);

impl RedisSection {
    /// The Redis of `REDIS_URL`; `None` if it is not set.
    pub fn settings(&self) -> Option<RedisSettings> {
        let RedisUrl(url) = self.redis_url.as_ref()?;
        Some(RedisSettings {
            access: self.access(),
            ..RedisSettings::new(url.clone())
        })
    }

    /// What opens the Redis of `REDIS_URL` beside the URL.
    fn access(&self) -> RedisAccess {
        RedisAccess {
            username: self.redis_username.clone(),
            password: self.redis_password.clone(),
            ca_file: self.redis_ca_file.clone(),
            cert_file: self.redis_cert_file.clone(),
            key_file: self.redis_key_file.clone(),
        }
    }

    /// What opens the Redis of `STORE_URL` beside the URL.
    pub fn store_access(&self) -> RedisAccess {
        let access = self.access();
        if !self.has_store_credentials() {
            return access;
        }
        RedisAccess {
            username: self.store_redis_username.clone(),
            password: self.store_redis_password.clone(),
            ..access
        }
    }

    fn has_store_credentials(&self) -> bool {
        self.store_redis_username.is_some() || self.store_redis_password.is_some()
    }

    /// The names of the settings that open the Redis of `REDIS_URL`, for people.
    pub fn names(&self) -> String {
        names("REDIS_URL", "REDIS", &self.access())
    }

    /// What cures a Redis of `REDIS_URL` that the start needs and that failed for this reason, for people. `store` is the
    /// URL of the store's Redis, if it has one.
    pub fn start_hint(&self, reason: &str, store: Option<&SecretString>) -> String {
        if is_of_credentials(reason) {
            return format!("correct {}", self.credential_names());
        }
        let names = self.names();
        let Some(RedisUrl(url)) = &self.redis_url else {
            return format!("start Redis, or correct {names}");
        };
        // The store needs that Redis, whether it is required for quotas or not.
        let server = server_of(url.expose_secret());
        let is_of_store = store.is_some_and(|store| server_of(store.expose_secret()) == server);
        if is_of_store {
            format!("start Redis, or correct {names}")
        } else {
            format!("start Redis, correct {names}, or set REDIS_REQUIRED=false")
        }
    }

    /// The names of the settings that have the credentials for `REDIS_URL`: the URL itself, if it has some.
    fn credential_names(&self) -> String {
        let url = self.redis_url.as_ref();
        if url.is_some_and(|RedisUrl(url)| url.expose_secret().contains('@')) {
            return "the credentials in REDIS_URL".to_owned();
        }
        match &self.redis_username {
            Some(_) => "REDIS_USERNAME or REDIS_PASSWORD".to_owned(),
            None => "REDIS_PASSWORD".to_owned(),
        }
    }

    /// The names of the settings that open the Redis of `STORE_URL`, for people.
    pub fn store_names(&self) -> String {
        let prefix = if self.has_store_credentials() {
            "STORE_REDIS"
        } else {
            "REDIS"
        };
        names("STORE_URL", prefix, &self.store_access())
    }

    /// The section, if its certificates can be used for its URL and for a Redis of `STORE_URL`.
    ///
    /// # Errors
    /// The settings to change, with what is wrong with them.
    pub(super) fn certified(
        self,
        store_url: Option<&SecretString>,
    ) -> Result<Self, Vec<(&'static str, String)>> {
        let of_store = store_url.map(|url| RedisSettings {
            access: self.store_access(),
            ..RedisSettings::new(url.clone())
        });
        let servers = [("REDIS_URL", self.settings()), ("STORE_URL", of_store)];
        let checked = servers.into_iter().filter_map(|(url, settings)| {
            let error = settings?.validate().err()?;
            Some(self.problem(url, error))
        });
        let problems: Vec<_> = checked.collect();
        if problems.is_empty() {
            Ok(self)
        } else {
            Err(problems)
        }
    }

    /// The setting that an error of the certificates for `url` is about, and what is wrong with it.
    fn problem(&self, url: &str, error: RedisSettingsError) -> (&'static str, String) {
        let files = [
            ("redis_ca_file", &self.redis_ca_file),
            ("redis_cert_file", &self.redis_cert_file),
            ("redis_key_file", &self.redis_key_file),
        ];
        let key_of = |is_meant: &dyn Fn(&PathBuf) -> bool| {
            let mut files = files.iter();
            let found = files.find(|(_, file)| file.as_ref().is_some_and(is_meant));
            found.map_or("redis_ca_file", |(key, _)| key)
        };
        match &error {
            RedisSettingsError::Certificates { path, .. } => {
                (key_of(&|file| file == path), error.to_string())
            }
            RedisSettingsError::ClientCertificate if self.redis_cert_file.is_some() => {
                ("redis_cert_file", error.to_string())
            }
            RedisSettingsError::ClientCertificate => ("redis_key_file", error.to_string()),
            _ => (key_of(&|_| true), format!("for {url}: {error}")),
        }
    }
}

/// True for a reason that is a wrong or a missing password.
fn is_of_credentials(reason: &str) -> bool {
    [
        "WRONGPASS",
        "NOAUTH",
        "AuthenticationFailed",
        "invalid password",
    ]
    .iter()
    .any(|mark| reason.contains(mark))
}

/// The hosts and ports in a URL of Redis.
fn server_of(url: &str) -> String {
    let rest = url.trim().split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.rsplit('@').next().unwrap_or_default();
    let hosts = authority.split(['/', '?']).next().unwrap_or_default();
    let has_port = hosts
        .rsplit(']')
        .next()
        .is_some_and(|end| end.contains(':'));
    let port = if has_port { "" } else { ":6379" };
    format!("{}{port}", hosts.to_lowercase())
}

/// The name of a URL with those of the credentials that are set beside it.
fn names(url: &str, prefix: &str, access: &RedisAccess) -> String {
    let username = access.username.as_ref();
    let password = access.password.as_ref();
    let mut names = vec![url.to_owned()];
    names.extend(username.map(|_| format!("{prefix}_USERNAME")));
    names.extend(password.map(|_| format!("{prefix}_PASSWORD")));
    names.join(", ")
}

impl Section for RedisSection {
    const TITLE: &'static str = "Redis";

    fn computed_defaults(known: &KnownValues<'_>) -> Vec<ComputedDefault> {
        let is_set = known.text("redis_url").is_some();
        let is_production = known.environment.is_production();
        let patience = if is_production { "5m" } else { "5s" };
        vec![
            ComputedDefault::value("redis_required", is_set && is_production),
            ComputedDefault::value("redis_start_timeout", patience),
        ]
    }
}

impl FromStr for RedisUrl {
    type Err = RedisSettingsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = SecretString::from(text.trim());
        RedisSettings::new(url.clone()).validate()?;
        Ok(Self(url))
    }
}

fn with_url(url: Option<&RedisUrl>) -> impl FnOnce(&bool, &Environment) -> garde::Result {
    let is_set = url.is_some();
    move |required, _| {
        if *required && !is_set {
            return Err(garde::Error::new("it is `true`, and REDIS_URL is not set"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Sources, load};

    #[track_caller]
    fn check(password: &str, expected: (&str, &str)) {
        let values = [("STORE_URL", "redis://a"), (password, "secret")];
        let loaded = load(&Sources::given(values, None)).unwrap();
        let redis = loaded.settings.redis;
        let names = (redis.names(), redis.store_names());
        assert_eq!((names.0.as_str(), names.1.as_str()), expected);
    }

    #[track_caller]
    fn check_hint(values: &[(&str, &str)], reason: &str, expected: &str) {
        let settings = load(&Sources::given(values.iter().copied(), None)).unwrap();
        let settings = settings.settings;
        let hint = settings
            .redis
            .start_hint(reason, settings.store.store_url.redis());
        assert_eq!(hint, expected, "{values:?}");
    }

    #[test]
    fn a_hint_says_only_what_cures() {
        let (url, password) = (("REDIS_URL", "redis://a"), ("REDIS_PASSWORD", "hunter2"));
        let wrong = "WRONGPASS invalid username-password pair";
        check_hint(&[url, password], wrong, "correct REDIS_PASSWORD");
        check_hint(
            &[url],
            "NOAUTH Authentication required.",
            "correct REDIS_PASSWORD",
        );
        let in_url = ("REDIS_URL", "redis://:hunter2@a");
        check_hint(&[in_url], wrong, "correct the credentials in REDIS_URL");
        let user = ("REDIS_USERNAME", "u");
        check_hint(
            &[url, user, password],
            wrong,
            "correct REDIS_USERNAME or REDIS_PASSWORD",
        );
        let refused = "Connection refused";
        let optional = "start Redis, correct REDIS_URL, or set REDIS_REQUIRED=false";
        check_hint(&[url], refused, optional);
        check_hint(&[url, ("STORE_URL", "redis://b")], refused, optional);
        let needed = "start Redis, or correct REDIS_URL";
        check_hint(&[url, ("STORE_URL", "redis://A:6379/1")], refused, needed);
    }

    #[test]
    fn an_error_names_the_credentials_that_were_used() {
        let shared = ("REDIS_URL, REDIS_PASSWORD", "STORE_URL, REDIS_PASSWORD");
        check("REDIS_PASSWORD", shared);
        let of_store = ("REDIS_URL", "STORE_URL, STORE_REDIS_PASSWORD");
        check("STORE_REDIS_PASSWORD", of_store);
    }
}
