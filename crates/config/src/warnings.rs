//! The settings that are valid and still deserve a warning in the log.

use crate::load::Loaded;
use crate::sections::Settings;

impl Loaded {
    /// Logs a warning for each file of a secret that other users of the machine can read.
    pub fn log_open_secrets(&self) {
        for (setting, path) in self.open_secrets() {
            tracing::warn!(
                setting,
                path,
                "other users can read the file of this secret: chmod 600"
            );
        }
    }

    /// The files of secrets that other users can read, with their settings.
    pub fn open_secrets(&self) -> Vec<(&'static str, &str)> {
        let files = self.effective.iter().filter_map(|row| {
            let path = row.origin.strip_prefix("file ")?;
            others_may_read(path).then_some((row.name, path))
        });
        files.collect()
    }
}

#[cfg(unix)]
fn others_may_read(path: &str) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn others_may_read(_: &str) -> bool {
    false
}

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

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use crate::load::load;
    use crate::sources::Sources;

    #[test]
    fn a_secret_that_others_can_read_is_found() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "0123456789abcdef0123456789abcdef").unwrap();
        let path = file.path().to_str().unwrap();
        let found = |mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&file, mode).unwrap();
            let sources = Sources::given([("SECRET_KEY_FILE", path)], None);
            load(&sources).unwrap().open_secrets().len()
        };
        assert_eq!(found(0o644), 1);
        assert_eq!(found(0o640), 0);
        assert_eq!(found(0o600), 0);
    }
}
