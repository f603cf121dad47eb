//! The version of a consumer's settings.

use std::fmt::Write;

use posthorn_domain::{ConsumerSettings, SettingsTag};
use sha2::{Digest, Sha256};

/// The first half of the SHA-256 digest (FIPS 180-4) of the settings, in a fixed form.
pub(super) fn of(settings: &ConsumerSettings) -> SettingsTag {
    let mut form = format!(
        "{} {} {}",
        settings.lease.as_millis(),
        settings.max_attempts,
        settings.max_in_flight.get(),
    );
    for wait in settings.backoff.as_millis() {
        // Writing to a `String` does not fail.
        let _ = write!(form, " {wait}");
    }
    let digest = Sha256::digest(form);
    let mut bytes = [0; SettingsTag::LENGTH];
    for (byte, of_digest) in bytes.iter_mut().zip(digest) {
        *byte = of_digest;
    }
    SettingsTag::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use posthorn_domain::ConsumerOptions;

    use super::*;

    #[test]
    fn equal_settings_have_one_tag_and_others_another() {
        let parse = |options: ConsumerOptions| of(&ConsumerSettings::parse(&options).unwrap());
        let default = parse(ConsumerOptions::default());
        let written = ConsumerOptions {
            lease_seconds: Some(30.0),
            max_attempts: Some(5),
            backoff_seconds: Some(vec![0.0, 5.0, 30.0, 300.0]),
            max_in_flight: Some(1_000),
        };
        assert_eq!(parse(written.clone()), default);
        let others = [
            ConsumerOptions {
                lease_seconds: Some(31.0),
                ..written.clone()
            },
            ConsumerOptions {
                max_attempts: Some(6),
                ..written.clone()
            },
            ConsumerOptions {
                backoff_seconds: Some(vec![0.0, 5.0, 30.0]),
                ..written.clone()
            },
            ConsumerOptions {
                max_in_flight: Some(1),
                ..written
            },
        ];
        for other in others {
            assert_ne!(parse(other), default);
        }
    }
}
