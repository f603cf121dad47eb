//! The settings that are valid and still deserve a warning in the log.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::load::Loaded;
use crate::sections::Settings;

/// A file with secrets that other users of the machine can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSecretFile {
    /// The file.
    pub path: PathBuf,
    /// The settings whose secrets it holds.
    pub settings: Vec<&'static str>,
}

impl Loaded {
    /// Logs a warning for each file with secrets that other users of the machine can read.
    pub fn log_open_secrets(&self) {
        for OpenSecretFile { path, settings } in self.open_secrets() {
            tracing::warn!(
                setting = settings.join(", "),
                path = %path.display(),
                "other users can read the file of this secret: chmod 600"
            );
        }
    }

    /// The files with secrets that other users can read: the TOML file, the files that settings name, and the
    /// development key.
    pub fn open_secrets(&self) -> Vec<OpenSecretFile> {
        let rows = self.effective.iter();
        let named = rows.filter_map(|row| Some((row.name, row.secret_file.clone()?)));
        let open = named.filter(|(_, path)| others_may_read(path));
        let (secret, store) = (&self.settings.secret, &self.settings.store.store_url);
        let key = secret.shared_development_key(store);
        let mut files = Vec::<OpenSecretFile>::new();
        for (name, path) in open.chain(key.map(|path| ("SECRET_KEY", path))) {
            match files.iter_mut().find(|file| file.path == path) {
                Some(file) => file.settings.push(name),
                None => files.push(OpenSecretFile {
                    path,
                    settings: vec![name],
                }),
            }
        }
        files
    }
}

fn others_may_read(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o004 != 0)
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

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};

    use crate::load::load;
    use crate::sources::Sources;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    fn write_file(path: &Path, text: &str, mode: u32) {
        write(path, text).unwrap();
        set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    /// The settings of each open file.
    fn open(environment: &[(&str, &str)], file: Option<PathBuf>) -> Vec<Vec<&'static str>> {
        let sources = Sources::given(environment.iter().copied(), file);
        let found = load(&sources).unwrap().open_secrets();
        found.into_iter().map(|file| file.settings).collect()
    }

    #[test]
    fn a_file_of_a_secret_that_others_can_read_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        for (variable, setting) in [
            ("SECRET_KEY_FILE", "SECRET_KEY"),
            ("STORE_REDIS_PASSWORD_FILE", "STORE_REDIS_PASSWORD"),
            ("REDIS_KEY_FILE", "REDIS_KEY_FILE"),
        ] {
            let environment = [(variable, path.to_str().unwrap())];
            for (mode, expected) in [(0o644, &[&[setting][..]][..]), (0o640, &[]), (0o600, &[])] {
                write_file(&path, KEY, mode);
                assert_eq!(open(&environment, None), expected, "{variable} {mode:o}");
            }
        }
    }

    #[test]
    fn a_toml_file_is_one_of_secrets_only_if_it_has_some() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("posthorn.toml");
        let key = format!("secret_key = \"{KEY}\"\n");
        let redis = "redis_url = \"redis://:hunter2@a\"\nport = 1\n";
        let harmless = "store_url = \"memory:\"\nredis_url = \"redis://a\"\n";
        for (text, mode, expected) in [
            (key.as_str(), 0o644, &[&["SECRET_KEY"][..]][..]),
            (&key, 0o600, &[]),
            (
                &format!("{key}{redis}"),
                0o604,
                &[&["SECRET_KEY", "REDIS_URL"]],
            ),
            (harmless, 0o644, &[]),
        ] {
            write_file(&path, text, mode);
            assert_eq!(open(&[], Some(path.clone())), expected, "{text}");
        }
        // A secret of the environment wins over that of the file, which is then none.
        write_file(&path, &key, 0o644);
        let other = [("SECRET_KEY", KEY)];
        assert!(open(&other, Some(path)).is_empty());
    }

    #[test]
    fn a_development_key_is_open_to_its_group_too() {
        let directory = tempfile::tempdir().unwrap();
        let store = format!("file:{}", directory.path().join("a.db").display());
        let environment = [("STORE_URL", store.as_str())];
        for (mode, expected) in [(0o644, 1), (0o640, 1), (0o600, 0)] {
            let path = directory.path().join("a.db.key");
            write_file(&path, &"a".repeat(64), mode);
            assert_eq!(open(&environment, None).len(), expected, "{mode:o}");
        }
        let with_key = [environment[0], ("SECRET_KEY", KEY)];
        assert!(open(&with_key, None).is_empty(), "it is not used");
    }
}
