//! The keys, and the files of secrets.

use posthorn_config::{Loaded, OpenSecretFile, Settings, StoreUrl};

use super::report::DoctorReport;

/// Warns of files of secrets that other users can read.
pub(super) fn check_secrets(report: &mut DoctorReport, loaded: &Loaded) {
    let open = loaded.open_secrets();
    for OpenSecretFile { path, settings } in &open {
        let (path, settings) = (path.display(), settings.join(", "));
        report.warn(
            "secrets",
            format!("other users can read {path}, the file of {settings}: chmod 600"),
        );
    }
    if open.is_empty() {
        report.ok("secrets", "no file of a secret can be read by other users");
    }
}

/// Reports the origin of the key.
pub(super) fn check_key(report: &mut DoctorReport, settings: &mut Settings) {
    let store = &settings.store.store_url;
    if let Err((path, error)) = settings.secret.read_development_key(store) {
        report.fail("key", format!("SECRET_KEY: {}: {error}", path.display()));
    } else if let Some(path) = settings.secret.development_key() {
        report.ok(
            "key",
            format!(
                "SECRET_KEY is not set: the development key in {}",
                path.display()
            ),
        );
    } else if !settings.secret.key_is_random() {
        report.ok("key", "SECRET_KEY is set");
    } else if matches!(store, StoreUrl::File(_)) {
        report.ok(
            "key",
            "SECRET_KEY is not set: the first start makes a development key beside the store",
        );
    } else {
        report.warn(
            "key",
            "SECRET_KEY is not set: each start makes a new key, and older tokens end",
        );
    }
}
