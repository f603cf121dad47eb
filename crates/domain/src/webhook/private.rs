//! What a webhook keeps encrypted.

use super::headers::WebhookHeaders;
use super::secret::WebhookSecret;
use crate::timestamp::Timestamp;

/// What a webhook keeps encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookPrivate {
    /// The secret that signs.
    pub secret: WebhookSecret,
    /// The secret before the last rotation, which signs too until its time is over.
    pub previous: Option<PreviousSecret>,
    /// The header fields of the requests.
    pub headers: WebhookHeaders,
    /// Keeps the tag of the settings, which covers the secret, from being compared with guesses.
    pub salt: WebhookSalt,
}

/// 16 random bytes, drawn when a webhook is created.
pub type WebhookSalt = [u8; 16];

/// A secret that a rotation replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviousSecret {
    /// The secret.
    pub secret: WebhookSecret,
    /// It signs before this time.
    pub until: Timestamp,
}

impl WebhookPrivate {
    /// The secrets that sign at the time `now`, the newest first.
    pub fn signing_secrets(&self, now: Timestamp) -> impl Iterator<Item = &WebhookSecret> {
        let previous = self
            .previous
            .iter()
            .filter(move |previous| now < previous.until);
        std::iter::once(&self.secret).chain(previous.map(|previous| &previous.secret))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_previous_secret_signs_until_its_time_is_over() {
        let secret = |byte| WebhookSecret::from_bytes(&[byte; 24]).unwrap();
        let until = Timestamp::from_millis(10);
        let private = WebhookPrivate {
            secret: secret(2),
            previous: Some(PreviousSecret {
                secret: secret(1),
                until,
            }),
            headers: WebhookHeaders::default(),
            salt: WebhookSalt::default(),
        };
        let at = |millis| -> Vec<_> {
            let now = Timestamp::from_millis(millis);
            private.signing_secrets(now).cloned().collect()
        };
        assert_eq!(at(9), [secret(2), secret(1)]);
        assert_eq!(at(10), [secret(2)]);
    }
}
