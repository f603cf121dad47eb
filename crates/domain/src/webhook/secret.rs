//! The key with which a webhook's requests are signed.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The key of a webhook's signatures (Standard Webhooks): 24 to 64 bytes, as text `whsec_` and their
/// base64. Its memory is erased when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(Zeroizing<Vec<u8>>);

/// A text or bytes are not a webhook's secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` and the base64 of {} to {} bytes",
    WebhookSecret::PREFIX,
    WebhookSecret::MIN_BYTES,
    WebhookSecret::MAX_BYTES
)]
pub struct WebhookSecretError;

impl WebhookSecret {
    /// The beginning of the text.
    pub const PREFIX: &'static str = "whsec_";
    /// The fewest bytes.
    pub const MIN_BYTES: usize = 24;
    /// The most bytes.
    pub const MAX_BYTES: usize = 64;

    /// The secret that `text` is. The base64 is standard and padded.
    pub fn parse(text: &str) -> Result<Self, WebhookSecretError> {
        let base64 = text.strip_prefix(Self::PREFIX).ok_or(WebhookSecretError)?;
        let bytes = STANDARD.decode(base64).map(Zeroizing::new);
        Self::from_bytes(&bytes.map_err(|_| WebhookSecretError)?)
    }

    /// The secret of these bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WebhookSecretError> {
        if (Self::MIN_BYTES..=Self::MAX_BYTES).contains(&bytes.len()) {
            Ok(Self(Zeroizing::new(bytes.to_vec())))
        } else {
            Err(WebhookSecretError)
        }
    }

    /// The bytes of the key.
    pub fn key(&self) -> &[u8] {
        &self.0
    }

    /// The text, for the response that shows it once.
    pub fn expose(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(128));
        text.push_str(Self::PREFIX);
        STANDARD.encode_string(&*self.0, &mut text);
        text
    }
}

/// Hides the bytes.
impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(length: usize) -> String {
        format!("whsec_{}", STANDARD.encode(vec![7; length]))
    }

    #[test]
    fn a_secret_has_24_to_64_bytes() {
        for length in [24, 25, 26, 64] {
            let secret = WebhookSecret::parse(&text(length)).unwrap();
            assert_eq!(secret.key(), vec![7; length]);
            assert_eq!(*secret.expose(), text(length));
        }
        for length in [0, 23, 65] {
            assert_eq!(WebhookSecret::parse(&text(length)), Err(WebhookSecretError));
        }
    }

    #[test]
    fn other_texts_are_rejected() {
        let valid = text(25);
        assert!(valid.ends_with("=="));
        for text in [
            "",
            valid.trim_start_matches("whsec_"),
            valid.trim_end_matches('='),
            &valid.replace("whsec_", "WHSEC_"),
            &format!("{valid} "),
            &valid.replacen('B', "-", 1),
        ] {
            assert_eq!(
                WebhookSecret::parse(text),
                Err(WebhookSecretError),
                "{text}"
            );
        }
    }

    #[test]
    fn debug_hides_the_key() {
        let secret = WebhookSecret::parse(&text(24)).unwrap();
        assert_eq!(format!("{secret:?}"), "WebhookSecret(…)");
    }
}
