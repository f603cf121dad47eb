//! The plaintext of a sealed record: JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use posthorn_application::VaultError;
use posthorn_domain::{
    PreviousSecret, Timestamp, WebhookHeaders, WebhookPrivate, WebhookSalt, WebhookSecret,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

#[derive(Deserialize, Serialize)]
struct PrivateForm {
    secret: Zeroizing<String>,
    /// The secret before the last rotation: earlier versions know one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<PreviousForm>,
    /// The secrets before that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    earlier: Vec<PreviousForm>,
    headers: Vec<(String, Zeroizing<String>)>,
    salt: String,
}

#[derive(Deserialize, Serialize)]
struct PreviousForm {
    secret: Zeroizing<String>,
    /// Milliseconds since the Unix epoch.
    until: u64,
}

/// Writes the plaintext.
pub(super) fn encode(private: &WebhookPrivate) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let previous = private.previous.iter();
    let mut previous = previous.map(|previous| PreviousForm {
        secret: previous.secret.expose(),
        until: previous.until.as_millis(),
    });
    let headers = private.headers.iter();
    let headers = headers.map(|(name, value)| (name.to_owned(), Zeroizing::new(value.to_owned())));
    let form = PrivateForm {
        secret: private.secret.expose(),
        previous: previous.next(),
        earlier: previous.collect(),
        headers: headers.collect(),
        salt: STANDARD.encode(private.salt),
    };
    let json = serde_json::to_vec(&form).map_err(|_| VaultError::Form)?;
    Ok(Zeroizing::new(json))
}

/// Reads the plaintext.
pub(super) fn decode(plain: &[u8]) -> Result<WebhookPrivate, VaultError> {
    parse(plain).ok_or(VaultError::Form)
}

fn parse(plain: &[u8]) -> Option<WebhookPrivate> {
    let form: PrivateForm = serde_json::from_slice(plain).ok()?;
    let previous = form.previous.iter().chain(&form.earlier);
    let previous = previous.map(|previous| {
        Some(PreviousSecret {
            secret: WebhookSecret::parse(&previous.secret).ok()?,
            until: Timestamp::from_millis(previous.until),
        })
    });
    let headers = form.headers.iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value.as_str()));
    let salt = STANDARD.decode(&form.salt).ok()?;
    Some(WebhookPrivate {
        secret: WebhookSecret::parse(&form.secret).ok()?,
        previous: previous.collect::<Option<_>>()?,
        headers: WebhookHeaders::parse(headers).ok()?,
        salt: WebhookSalt::try_from(salt).ok()?,
    })
}
