//! How Redis is reached, and how long anything about it may take.

mod deployment;

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

pub(crate) use deployment::Deployment;

/// How Redis is reached, and how long anything about it may take.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// Where Redis is; one of
    /// - `redis://[user:password@]host[:port][/db]`, or `rediss://` for TLS,
    /// - `redis+sentinel://[user:password@]host[:port][,…]/service[/db]`; the credentials are
    ///   those of the Redis servers, the Sentinels are asked without any,
    /// - `redis+cluster://[user:password@]host[:port][,…]`; any of the cluster's nodes will do.
    ///
    /// `rediss+sentinel` and `rediss+cluster` use TLS throughout. User and password are
    /// percent-encoded.
    pub url: SecretString,
    /// The most time to open a connection, name resolution and authentication included.
    pub connect_timeout: Duration,
    /// The most time to wait for a free connection of the pool.
    pub checkout_timeout: Duration,
    /// The most time from sending a command to its answer.
    pub command_timeout: Duration,
    /// The most connections of the pool; at least 1.
    pub pool_size: usize,
    /// What every key starts with: 1 to 64 characters of `a-z`, `A-Z`, `0-9`, `.`, `_`, `-`, `:`.
    pub prefix: String,
}

/// Why Redis cannot be reached as configured. No text holds a part of the URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedisSettingsError {
    /// The scheme is none of those of [`RedisSettings::url`].
    #[error("the Redis URL starts with redis://, rediss://, redis+sentinel:// or redis+cluster://")]
    Scheme,
    /// The URL has the right scheme but not its form.
    #[error("the Redis URL is not of the form {0}")]
    Form(&'static str),
    /// A part of the URL was refused by the client library.
    #[error("the Redis URL is refused: {0}")]
    Refused(String),
    /// The prefix is empty, too long or holds a character that keys give a meaning.
    #[error("the key prefix has 1 to 64 characters of a-z, A-Z, 0-9, '.', '_', '-' and ':'")]
    Prefix,
    /// A pool of no connections.
    #[error("the pool has at least 1 connection")]
    PoolSize,
}

impl RedisSettings {
    /// The settings for `url` with every other value at its default.
    pub fn new(url: SecretString) -> Self {
        Self {
            url,
            connect_timeout: Duration::from_millis(500),
            checkout_timeout: Duration::from_millis(250),
            command_timeout: Duration::from_millis(250),
            pool_size: 8,
            prefix: "posthorn".to_owned(),
        }
    }

    /// Says what is wrong with the settings, without connecting.
    pub fn validate(&self) -> Result<(), RedisSettingsError> {
        self.deployment().map(|_| ())
    }

    /// The URL without its password, its user's name aside; for people to read.
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
        Deployment::parse(self.url.expose_secret())
    }
}

/// Cuts out everything that may be a password, also of a text that is no URL.
fn masked(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    // A query may hold a password, too; a raw `?` or `#` in a password ends before an `@`.
    let (credentials, place) = match rest.rsplit_once('@') {
        Some((credentials, place)) => (Some(credentials), place),
        None => (None, rest),
    };
    let place = place.split(['?', '#']).next().unwrap_or_default();
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
    masked.push_str(place);
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
    fn a_prefix_that_could_break_a_hash_tag_or_a_pattern_is_refused() {
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
