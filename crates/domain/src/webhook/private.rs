//! What a webhook keeps encrypted.

use super::headers::WebhookHeaders;
use super::secret::WebhookSecret;
use crate::timestamp::Timestamp;

/// What a webhook keeps encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookPrivate {
    /// The secret that signs.
    pub secret: WebhookSecret,
    /// The secrets that rotations replaced, the newest first; each signs too until its time is over.
    pub previous: Vec<PreviousSecret>,
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
    /// The most replaced secrets that are kept: each signs every request.
    pub const MAX_PREVIOUS: usize = 4;

    /// Replaces the secret, which signs too until `until`, as those before it sign until their times. Without `until`
    /// none of them signs any more.
    pub fn rotate(&mut self, secret: WebhookSecret, now: Timestamp, until: Option<Timestamp>) {
        let secret = std::mem::replace(&mut self.secret, secret);
        let Some(until) = until else {
            self.previous.clear();
            return;
        };
        self.previous.retain(|previous| now < previous.until);
        self.previous.insert(0, PreviousSecret { secret, until });
        self.previous.truncate(Self::MAX_PREVIOUS);
    }

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
            previous: vec![PreviousSecret {
                secret: secret(1),
                until,
            }],
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

    #[test]
    fn each_replaced_secret_signs_for_its_own_grace() {
        let secret = |byte| WebhookSecret::from_bytes(&[byte; 24]).unwrap();
        let at = Timestamp::from_millis;
        let mut private = WebhookPrivate {
            secret: secret(0),
            previous: Vec::new(),
            headers: WebhookHeaders::default(),
            salt: WebhookSalt::default(),
        };
        let signing = |private: &WebhookPrivate, now| -> Vec<_> {
            let signing = private.signing_secrets(at(now));
            signing.cloned().collect()
        };
        private.rotate(secret(1), at(1), Some(at(10)));
        private.rotate(secret(2), at(2), Some(at(5)));
        assert_eq!(signing(&private, 4), [2, 1, 0].map(secret));
        assert_eq!(signing(&private, 5), [2, 0].map(secret));
        private.rotate(secret(3), at(10), Some(at(20)));
        assert_eq!(signing(&private, 10), [3, 2].map(secret));
        for byte in 4..20 {
            private.rotate(secret(byte), at(11), Some(at(20)));
        }
        assert_eq!(signing(&private, 11), [19, 18, 17, 16, 15].map(secret));
        private.rotate(secret(20), at(12), None);
        assert_eq!(signing(&private, 12), [secret(20)]);
    }
}
