//! Secrets: their rules, and how they are shown.

use posthorn_redis::RedisSettings;
use secrecy::SecretString;

/// The least length of a key, in bytes: that of the HMAC-SHA-256 output (RFC 7518, 3.2).
pub(super) const MIN_KEY_BYTES: usize = 32;

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

/// A secret as it may be shown: of a Redis URL the password is masked, of any other secret
/// everything; a store without a secret in its URL is shown as it is.
pub(super) fn mask(text: &str) -> String {
    match text.trim().split_once(':') {
        Some(("file" | "memory", _)) => text.to_owned(),
        Some((scheme, _)) if scheme.starts_with("redis") => {
            RedisSettings::new(SecretString::from(text)).masked_url()
        }
        _ => "***".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_mask(text: &str, expected: &str) {
        assert_eq!(mask(text), expected);
    }

    #[test]
    fn passwords_are_masked_and_places_shown() {
        check_mask("file:data/a.db", "file:data/a.db");
        check_mask("memory:", "memory:");
        check_mask("redis://localhost:6379/0", "redis://localhost:6379/0");
        check_mask("redis://:p@ss@localhost/0", "redis://:***@localhost/0");
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
