//! Why the application does not start, or ends by itself.

use std::fmt::Display;

use posthorn_http::BindError;

/// Why the application did not start, or ended by itself. The texts name the setting to change and
/// contain no secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppError {
    /// `target`, which these settings name and open, is needed and cannot be used.
    #[error("{settings}: {target} cannot be used: {reason}")]
    Dependency {
        settings: String,
        target: String,
        reason: String,
    },
    /// A listener cannot be opened.
    #[error("{0}: {1}")]
    Listen(String, BindError),
    /// A background task ended.
    #[error("{0}")]
    Background(String),
    /// The server ended.
    #[error("the server ended: {0}")]
    Server(String),
}

impl AppError {
    /// `target` is the file, or the URL without its password.
    pub(super) fn unusable(
        settings: impl Display,
        target: impl Display,
        reason: impl Display,
    ) -> Self {
        Self::Dependency {
            settings: settings.to_string(),
            target: target.to_string(),
            reason: reason.to_string(),
        }
    }
}
