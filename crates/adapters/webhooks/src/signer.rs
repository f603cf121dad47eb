//! Signatures of Standard Webhooks.
//!
//! Source: Standard Webhooks specification 1.0.0, "Signature scheme": HMAC-SHA256.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use posthorn_domain::{Timestamp, WebhookPrivate, WebhookSecret};
use ring::hmac;

/// Signs the requests of one webhook.
pub(crate) struct Signer {
    current: hmac::Key,
    /// The keys that rotations replaced, and the times until which they sign too.
    previous: Vec<(hmac::Key, Timestamp)>,
}

impl Signer {
    pub(crate) fn new(private: &WebhookPrivate) -> Self {
        let previous = private.previous.iter();
        let previous = previous.map(|previous| (key(&previous.secret), previous.until));
        Self {
            current: key(&private.secret),
            previous: previous.collect(),
        }
    }

    /// The value of `webhook-signature` for `webhook-id`, `webhook-timestamp` and the body: one
    /// signature of each key that signs at the time `at`, separated by spaces.
    pub(crate) fn sign(&self, id: &str, seconds: &str, body: &[u8], at: Timestamp) -> String {
        let mut value = String::with_capacity(2 * "v1,".len() + 2 * 44 + 1);
        append_signature(&mut value, &self.current, id, seconds, body);
        for (previous, until) in &self.previous {
            if at < *until {
                value.push(' ');
                append_signature(&mut value, previous, id, seconds, body);
            }
        }
        value
    }
}

fn key(secret: &WebhookSecret) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret.key())
}

fn append_signature(value: &mut String, key: &hmac::Key, id: &str, seconds: &str, body: &[u8]) {
    let mut context = hmac::Context::with_key(key);
    for part in [id.as_bytes(), b".", seconds.as_bytes(), b".", body] {
        context.update(part);
    }
    value.push_str("v1,");
    STANDARD.encode_string(context.sign(), value);
}

#[cfg(test)]
mod tests {
    use posthorn_domain::{PreviousSecret, WebhookHeaders};

    use super::*;

    const BODY: &[u8] = br#"{"email":"test@example.com","username":"test_user"}"#;
    const OTHER: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn private(secret: &str) -> WebhookPrivate {
        WebhookPrivate {
            secret: WebhookSecret::parse(secret).unwrap(),
            previous: Vec::new(),
            headers: WebhookHeaders::default(),
            salt: [0; 16],
        }
    }

    /// The vector of the Rust, Python and JavaScript libraries of Standard Webhooks.
    #[test]
    fn the_published_vector_is_met() {
        let signer = Signer::new(&private("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"));
        let id = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
        let signature = signer.sign(id, "1649367553", BODY, Timestamp::default());
        assert_eq!(signature, "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
    }

    #[test]
    fn the_standardwebhooks_library_makes_the_same_signature() {
        let signature = Signer::new(&private(OTHER)).sign("id", "7", BODY, Timestamp::default());
        let library = standardwebhooks::Webhook::new(OTHER).unwrap();
        assert_eq!(signature, library.sign("id", 7, BODY).unwrap());
    }

    #[test]
    fn after_a_rotation_both_secrets_sign_until_the_grace_is_over() {
        let until = Timestamp::from_millis(10_000);
        let mut rotated = private(OTHER);
        rotated.previous = vec![PreviousSecret {
            secret: private("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").secret,
            until,
        }];
        let signer = Signer::new(&rotated);
        let both = signer.sign("id", "9", BODY, Timestamp::from_millis(9_999));
        let (new, old) = both.split_once(' ').unwrap();
        let only = |secret| Signer::new(&private(secret)).sign("id", "9", BODY, until);
        assert_eq!(new, only(OTHER));
        assert_eq!(old, only("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"));
        assert_eq!(signer.sign("id", "9", BODY, until), new);
    }
}
