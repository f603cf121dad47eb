//! The errors of the settings.

use std::path::PathBuf;

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
    /// The credentials have a character that ends them in a URL.
    #[error(
        "the credentials in the Redis URL have to be percent-encoded, or set as REDIS_USERNAME and REDIS_PASSWORD"
    )]
    Credentials,
    /// redis-rs rejected a part of the URL.
    #[error("the Redis URL is invalid: {0}")]
    Invalid(String),
    /// A client certificate comes without its key, or a key without its certificate.
    #[error("a client certificate needs REDIS_CERT_FILE and REDIS_KEY_FILE")]
    ClientCertificate,
    /// Certificates are set for a URL without TLS.
    #[error("certificates are of use with rediss:// only; the URL is one without TLS")]
    CertificatesWithoutTls,
    /// Certificates are set for a cluster, whose pool takes none.
    #[error("a cluster takes its authority from SSL_CERT_FILE, and no client certificate")]
    CertificatesOfCluster,
    /// A file with certificates or a key cannot be used.
    #[error("{}: {reason}", .path.display())]
    Certificates {
        /// The file; of a certificate and its key that do not go together that of the certificate.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The prefix is empty, too long or contains a character with a meaning in keys or patterns.
    #[error("the key prefix must have 1 to 64 characters of a-z, A-Z, 0-9, '.', '_', '-' and ':'")]
    Prefix,
    /// The pool size is 0.
    #[error("the pool must have at least 1 connection")]
    PoolSize,
}
