//! The errors of the settings.

/// An error in [`RedisSettings`](super::settings::RedisSettings). No text holds a part of the URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedisSettingsError {
    /// The scheme is not supported.
    #[error(
        "the Redis URL must start with redis://, rediss://, redis+sentinel:// or redis+cluster://"
    )]
    Scheme,
    /// The scheme is supported, but the URL does not have its form.
    #[error("the Redis URL must have the form {0}")]
    Form(&'static str),
    /// redis-rs rejected a part of the URL.
    #[error("the Redis URL is invalid: {0}")]
    Invalid(String),
    /// The prefix is empty, too long or contains a character with a meaning in keys or patterns.
    #[error("the key prefix must have 1 to 64 characters of a-z, A-Z, 0-9, '.', '_', '-' and ':'")]
    Prefix,
    /// The pool size is 0.
    #[error("the pool must have at least 1 connection")]
    PoolSize,
}
