//! The version of a webhook's settings.

use posthorn_domain::{DeliveryRate, SettingsTag, WebhookPrivate, WebhookSettings};
use sha2::{Digest, Sha256};

/// The first half of the SHA-256 digest (FIPS 180-4) of the settings, the header fields and the
/// secrets. The salt, which is secret, keeps others from comparing the tag with guesses.
pub(super) fn of(settings: &WebhookSettings, private: &WebhookPrivate) -> SettingsTag {
    let mut digest = Digester(Sha256::new());
    digest.add(&private.salt);
    digest.add(settings.url.as_str().as_bytes());
    for wait in settings.schedule.as_millis() {
        digest.add(&wait.to_le_bytes());
    }
    digest.add(&settings.timeout.as_millis().to_le_bytes());
    digest.add(&settings.max_in_flight.get().to_le_bytes());
    let rate = settings.rate.map_or(0, DeliveryRate::as_thousandths);
    digest.add(&rate.to_le_bytes());
    digest.add(settings.format.as_str().as_bytes());
    for (name, value) in private.headers.iter() {
        digest.add(name.as_bytes());
        digest.add(value.as_bytes());
    }
    digest.add(private.secret.key());
    for previous in &private.previous {
        digest.add(previous.secret.key());
        digest.add(&previous.until.as_millis().to_le_bytes());
    }
    let mut bytes = [0; SettingsTag::LENGTH];
    for (byte, of_digest) in bytes.iter_mut().zip(digest.0.finalize()) {
        *byte = of_digest;
    }
    SettingsTag::from_bytes(bytes)
}

struct Digester(Sha256);

impl Digester {
    /// Adds a part with its length, so that no two lists of parts have the same bytes. The length is little-endian,
    /// other than in `digest_parts`: stores keep the tags.
    fn add(&mut self, part: &[u8]) {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        self.0.update(length.to_le_bytes());
        self.0.update(part);
    }
}
