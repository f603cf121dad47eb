//! Secrets: their rules, and how they are shown.

use std::fs::File;
use std::io::Read;

use posthorn_redis::RedisSettings;
use secrecy::SecretString;

use super::catalogue::{REDIS_URL, STORE_URL, Setting};

/// The least length of a key, in bytes: that of the HMAC-SHA-256 output (RFC 7518, 3.2).
pub(super) const MIN_KEY_BYTES: usize = 32;

/// The longest file of a secret.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Texts that stand in published samples and so are known to everybody.
const SAMPLES: &[&str] = &[
    "change-in-production",
    "change-me",
    "change_me",
    "changeme",
    "change-this",
    "example-secret",
    "insecure",
    "replace-me",
    "replace-with",
    "sample-secret",
    "your-secret",
    "your_secret",
];

/// Says why `key` cannot sign tokens; never repeats it.
pub(super) fn check_key(key: &str) -> Result<(), String> {
    if key.len() < MIN_KEY_BYTES {
        return Err(format!("it has {} bytes, too few to be safe", key.len()));
    }
    let lower = key.to_lowercase();
    if SAMPLES.iter().any(|sample| lower.contains(sample)) {
        return Err("it is a published sample value".to_owned());
    }
    Ok(())
}

/// The secret in a file, without line ends at its end. The problem does not name the file.
pub(super) fn read_file(path: &str) -> Result<String, String> {
    let mut text = String::new();
    let read = File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| error.to_string())?;
    if read as u64 > MAX_FILE_BYTES {
        return Err(format!("it has over {MAX_FILE_BYTES} bytes"));
    }
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err("it is empty".to_owned()),
        secret => Ok(secret.to_owned()),
    }
}

/// A secret as it may be shown: of a Redis URL the password is masked, of any other secret
/// everything; a store without a secret in its URL is shown as it is.
pub(super) fn mask(setting: &Setting, text: &str) -> String {
    let is_url = [STORE_URL.name, REDIS_URL.name].contains(&setting.name);
    match text.trim().split_once(':').filter(|_| is_url) {
        Some(("file" | "memory", _)) => text.to_owned(),
        Some((scheme, _)) if scheme.starts_with("redis") => {
            RedisSettings::new(SecretString::from(text)).masked_url()
        }
        _ => "***".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::SECRET_KEY;
    use super::*;

    #[track_caller]
    fn check_mask(text: &str, expected: &str) {
        assert_eq!(mask(&STORE_URL, text), expected);
    }

    #[test]
    fn passwords_are_masked_and_places_shown() {
        check_mask("file:data/a.db", "file:data/a.db");
        check_mask("memory:", "memory:");
        check_mask("redis://localhost:6379/0", "redis://localhost:6379/0");
        check_mask("redis://:p@ss@localhost/0", "redis://:***@localhost/0");
        check_mask("0123", "***");
        check_mask("a:b", "***");
        for text in ["file:hunter2", "memory:hunter2", "redis://hunter2"] {
            assert_eq!(mask(&SECRET_KEY, text), "***");
        }
    }

    #[test]
    fn short_and_sample_keys_are_refused() {
        assert!(check_key("dev-secret-key-change-in-production").is_err());
        assert!(check_key(&"k".repeat(31)).is_err());
        assert!(check_key(&"k".repeat(32)).is_ok());
        assert!(check_key("CHANGE-ME-CHANGE-ME-CHANGE-ME-CHANGE-ME").is_err());
    }
}
