//! The settings of connections to Redis.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::access::RedisAccess;
use super::error::RedisSettingsError;
use super::url::Deployment;

/// The settings of connections to Redis: where it is, time limits, pool size and key prefix.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// The URL, in one of these forms:
    /// - `redis://[user:password@]host[:port][/db]`, or `rediss://` for TLS,
    /// - `redis+sentinel://[user:password@]host[:port][,…]/service[/db]`; the credentials are those
    ///   of the Redis servers, the Sentinels get none,
    /// - `redis+cluster://[user:password@]host[:port][,…]`; any nodes of the cluster.
    ///
    /// `rediss+sentinel` and `rediss+cluster` use TLS for every connection. For TLS the process must
    /// have installed a crypto provider of rustls: redis-rs panics without one. User and password are
    /// percent-encoded.
    pub url: SecretString,
    /// The credentials beside the URL, and the certificates.
    pub access: RedisAccess,
    /// The time limit for opening a connection, with name resolution and authentication.
    pub connect_timeout: Duration,
    /// The time limit for the wait for a free connection of the pool.
    pub checkout_timeout: Duration,
    /// The time limit from sending a command to its reply.
    pub command_timeout: Duration,
    /// The largest number of connections in the pool; at least 1.
    pub pool_size: usize,
    /// The beginning of every key: 1 to 64 characters of `a-z`, `A-Z`, `0-9`, `.`, `_`, `-`, `:`.
    pub prefix: String,
}

impl RedisSettings {
    /// The settings for `url` with every other value at its default.
    pub fn new(url: SecretString) -> Self {
        Self {
            url,
            access: RedisAccess::default(),
            connect_timeout: Duration::from_millis(500),
            checkout_timeout: Duration::from_millis(250),
            command_timeout: Duration::from_millis(250),
            pool_size: 8,
            prefix: "posthorn".to_owned(),
        }
    }

    /// Checks the settings without connecting.
    ///
    /// # Errors
    /// The first error found: prefix, pool size, the URL, then the certificates, whose files are read.
    pub fn validate(&self) -> Result<(), RedisSettingsError> {
        self.deployment().map(|_| ())
    }

    /// The URL for people to read: the user's name without the password and the query.
    pub fn masked_url(&self) -> String {
        masked(self.url.expose_secret())
    }

    pub(crate) fn deployment(&self) -> Result<Deployment, RedisSettingsError> {
        let allowed =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b':');
        if !(1..=64).contains(&self.prefix.len()) || !self.prefix.bytes().all(allowed) {
            return Err(RedisSettingsError::Prefix);
        }
        if self.pool_size == 0 {
            return Err(RedisSettingsError::PoolSize);
        }
        Deployment::parse(self.url.expose_secret())?.opened_by(&self.access)
    }
}

/// Removes everything that may be a password, also from a text that is not a URL.
fn masked(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    // Split at the last `@`: a password may contain `@`, `?` and `#`, a host may not.
    let (credentials, hosts) = match rest.rsplit_once('@') {
        Some((credentials, hosts)) => (Some(credentials), hosts),
        None => (None, rest),
    };
    // A query may contain a password, too.
    let hosts = hosts.split(['?', '#']).next().unwrap_or_default();
    let mut masked = String::from(scheme);
    if !scheme.is_empty() {
        masked.push_str("://");
    }
    if let Some(credentials) = credentials {
        if let Some((user, _)) = credentials.split_once(':') {
            masked.push_str(user);
            masked.push(':');
        }
        masked.push_str("***@");
    }
    masked.push_str(hosts);
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_masked(url: &str, expected: &str) {
        let settings = RedisSettings::new(SecretString::from(url));
        assert_eq!(settings.masked_url(), expected);
        assert!(!format!("{settings:?}").contains("hunter"), "{settings:?}");
    }

    #[test]
    fn a_masked_url_shows_no_password() {
        check_masked("redis://127.0.0.1:6379/1", "redis://127.0.0.1:6379/1");
        check_masked("redis://:hunter2@h:1/1", "redis://:***@h:1/1");
        check_masked("rediss://bob:hunter2@h", "rediss://bob:***@h");
        check_masked("redis://bob:hunter@2/3@h", "redis://bob:***@h");
        check_masked("redis://hunter2@h", "redis://***@h");
        check_masked("bob:hunter2@h", "bob:***@h");
        check_masked(
            "redis+sentinel://u:hunter2@a:1,b/x?p=hunter",
            "redis+sentinel://u:***@a:1,b/x",
        );
        check_masked("redis://h?password=hunter2", "redis://h");
    }

    #[test]
    fn a_prefix_with_a_character_of_hash_tags_or_patterns_is_rejected() {
        for (prefix, allowed) in [
            ("a:B.c_d-9", true),
            ("", false),
            ("a{b", false),
            ("a*", false),
            ("a b", false),
        ] {
            let mut settings = RedisSettings::new(SecretString::from("redis://h"));
            settings.prefix = prefix.to_owned();
            assert_eq!(settings.validate().is_ok(), allowed, "{prefix}");
        }
    }

    #[test]
    fn a_pool_has_at_least_one_connection() {
        let mut settings = RedisSettings::new(SecretString::from("redis://h"));
        settings.pool_size = 0;
        assert_eq!(settings.validate(), Err(RedisSettingsError::PoolSize));
    }
}
