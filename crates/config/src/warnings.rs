//! The settings that are valid and still deserve a warning in the log.

use crate::sections::Settings;

impl Settings {
    /// Logs which key is used if none is set, and a warning for each setting that may surprise.
    pub fn log_warnings(&self) {
        let environment = self.app.environment;
        if environment.is_open() {
            tracing::warn!(
                environment = environment.as_str(),
                "access is open: every client that reaches this server may send, read and delete \
                 messages; ENVIRONMENT=production requires tokens"
            );
            if self.access.require_write_token {
                tracing::warn!("REQUIRE_WRITE_TOKEN=true has no effect outside production");
            }
        }
        if self.secret.key_is_random() {
            tracing::warn!(
                "SECRET_KEY is not set: a random key was generated, which ends with this process"
            );
        }
        if let Some(path) = self.secret.development_key() {
            tracing::info!(path = %path.display(), "SECRET_KEY is not set: the development key is used");
        }
    }
}
