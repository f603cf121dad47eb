//! Why the application does not start, or stops by itself.

use std::io;

/// Why the application did not start. The texts name the setting to change and contain no secret.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A required dependency is not available.
    #[error("{setting}: {target} cannot be used: {reason}")]
    Dependency {
        /// The setting that names the dependency.
        setting: &'static str,
        /// The file, or the URL without its password.
        target: String,
        /// Why it cannot be used.
        reason: String,
    },
    /// The address of a listener cannot be resolved.
    #[error("HOST, PORT: cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: String,
        /// Why it cannot be resolved.
        reason: io::Error,
    },
    /// A listener cannot be bound.
    #[error("HOST, PORT: {0}")]
    Http(#[from] posthorn_http::BindError),
}

/// Why a running application stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A background task ended.
    #[error("{0}")]
    Background(String),
    /// The server ended.
    #[error("the server ended: {0}")]
    Server(String),
}
