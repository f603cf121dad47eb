//! Secrets: the rules of keys, the files that hold secrets, and masks.

use std::fs::File;
use std::io::Read;

use posthorn_redis::RedisSettings;
use secrecy::SecretString;
use url::Url;

use crate::setting::Setting;

/// The least length of a key, in bytes: that of the HMAC-SHA-256 output (RFC 7518, 3.2).
const MIN_KEY_BYTES: usize = 32;
/// The longest file of a secret, in bytes.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Parts of published sample keys, which everybody knows.
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

/// Checks that `key` is safe enough to sign tokens.
///
/// # Errors
/// The key is too short or a published sample; the text never repeats it.
pub(crate) fn check_key(key: &str) -> Result<(), String> {
    if key.len() < MIN_KEY_BYTES {
        return Err(format!("it has {} bytes, too few to be safe", key.len()));
    }
    let lower = key.to_lowercase();
    if SAMPLES.iter().any(|sample| lower.contains(sample)) {
        return Err("it is a published sample value".to_owned());
    }
    Ok(())
}

/// Reads the secret in a file, without line ends at its end.
///
/// # Errors
/// The file cannot be read, is empty or is too long. The text does not name the file: a secret may
/// stand in place of the name by mistake.
pub(crate) fn read_file(path: &str) -> Result<String, String> {
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

/// What stands in place of a secret.
const MASK: &str = "***";

/// The text of a setting as it may be shown: a secret is masked, of a URL the password alone.
pub(crate) fn mask(setting: &Setting, text: &str) -> String {
    match (setting.is_secret, setting.is_url) {
        (false, _) => text.to_owned(),
        (true, true) => mask_url(text),
        (true, false) => MASK.to_owned(),
    }
}

/// True if the text of a setting has a part that [`mask`] hides.
pub(crate) fn has_secret(setting: &Setting, text: &str) -> bool {
    setting.is_secret && mask(setting, text).contains(MASK)
}

fn mask_url(text: &str) -> String {
    match text.trim().split_once(':') {
        Some(("file" | "memory", _)) => text.to_owned(),
        Some((scheme, _)) if scheme.starts_with("redis") => {
            RedisSettings::new(SecretString::from(text)).masked_url()
        }
        Some(("http" | "https", _)) => mask_http_url(text),
        _ => MASK.to_owned(),
    }
}

fn mask_http_url(text: &str) -> String {
    let Ok(mut url) = Url::parse(text.trim()) else {
        return MASK.to_owned();
    };
    if url.password().is_some() && url.set_password(Some(MASK)).is_err() {
        return MASK.to_owned();
    }
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_mask(text: &str, expected: &str) {
        assert_eq!(mask_url(text), expected);
    }

    #[test]
    fn passwords_are_masked_and_places_shown() {
        check_mask("file:data/a.db", "file:data/a.db");
        check_mask("memory:", "memory:");
        check_mask("redis://localhost:6379/0", "redis://localhost:6379/0");
        check_mask("redis://:p@ss@localhost/0", "redis://:***@localhost/0");
        check_mask("http://proxy:3128", "http://proxy:3128/");
        check_mask("https://u:p@proxy/", "https://u:***@proxy/");
        check_mask("0123", "***");
        check_mask("a:b", "***");
    }

    #[test]
    fn short_and_sample_keys_are_refused() {
        assert!(check_key("dev-secret-key-change-in-production").is_err());
        assert!(check_key(&"k".repeat(31)).is_err());
        assert!(check_key(&"k".repeat(32)).is_ok());
        assert!(check_key("CHANGE-ME-CHANGE-ME-CHANGE-ME-CHANGE-ME").is_err());
    }
}
