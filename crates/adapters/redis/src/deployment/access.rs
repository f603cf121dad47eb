//! Credentials beside the URL, and the certificates of TLS.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use redis::{Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, TlsCertificates};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use secrecy::{ExposeSecret, SecretString};

use super::error::RedisSettingsError;

/// What opens a Redis beside its URL.
#[derive(Clone, Debug, Default)]
pub struct RedisAccess {
    /// The user, for a URL without credentials.
    pub username: Option<String>,
    /// The password, for a URL without credentials. Any text; it is not encoded.
    pub password: Option<SecretString>,
    /// A file with the certificates of the authorities to trust, in PEM. Without it those of the system
    /// are trusted, or those of the file that `SSL_CERT_FILE` names.
    pub ca_file: Option<PathBuf>,
    /// A file with the client's certificate chain, in PEM. It needs `key_file`.
    pub cert_file: Option<PathBuf>,
    /// A file with the private key of `cert_file`, in PEM.
    pub key_file: Option<PathBuf>,
}

impl RedisAccess {
    /// `info` with the credentials, unless its URL has some.
    pub(super) fn with_credentials(&self, info: ConnectionInfo) -> ConnectionInfo {
        let mut settings = info.redis_settings().clone();
        if settings.username().is_some() || settings.password().is_some() {
            return info;
        }
        if let Some(username) = &self.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password.expose_secret());
        }
        info.set_redis_settings(settings)
    }

    /// The certificates, read from their files; `None` if no file is named.
    ///
    /// # Errors
    /// A file cannot be read, or the certificate and its key do not come together.
    pub(super) fn certificates(&self) -> Result<Option<TlsCertificates>, RedisSettingsError> {
        let client_tls = match (&self.cert_file, &self.key_file) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some(read_client_tls(certificate, key)?),
            _ => return Err(RedisSettingsError::ClientCertificate),
        };
        let root_cert = self.ca_file.as_deref().map(read_authorities).transpose()?;
        let is_set = client_tls.is_some() || root_cert.is_some();
        Ok(is_set.then_some(TlsCertificates {
            client_tls,
            root_cert,
        }))
    }

    /// `info` with the certificates of [`RedisAccess::certificates`].
    ///
    /// # Errors
    /// The URL is one without TLS, or a file holds no certificate or no key.
    pub(super) fn with_certificates(
        &self,
        info: ConnectionInfo,
        certificates: &TlsCertificates,
    ) -> Result<ConnectionInfo, RedisSettingsError> {
        if !matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            return Err(RedisSettingsError::CertificatesWithoutTls);
        }
        let client = Client::build_with_tls(info, certificates.clone()).map_err(|error| {
            let path = self.cert_file.as_ref().or(self.ca_file.as_ref());
            RedisSettingsError::Certificates {
                path: path.cloned().unwrap_or_default(),
                reason: error.to_string(),
            }
        })?;
        Ok(client.get_connection_info().clone())
    }
}

/// The certificates in a file. redis-rs takes a file without any, and then trusts nobody.
fn read_authorities(path: &Path) -> Result<Vec<u8>, RedisSettingsError> {
    let text = read(path)?;
    let mark = b"-----BEGIN CERTIFICATE-----";
    if !text.windows(mark.len()).any(|window| window == mark) {
        let reason = "there is no certificate in PEM";
        return Err(unusable(path, reason));
    }
    Ok(text)
}

/// The client's certificate and its key.
///
/// # Errors
/// rustls would reject another version of the certificate as if the server had presented it, and the key of another
/// certificate at the first connection.
fn read_client_tls(certificate: &Path, key: &Path) -> Result<ClientTlsConfig, RedisSettingsError> {
    let (client_cert, client_key) = (read(certificate)?, read(key)?);
    let chain = CertificateDer::pem_slice_iter(&client_cert).collect::<Result<Vec<_>, _>>();
    let parsed_key = PrivateKeyDer::from_pem_slice(&client_key);
    // redis-rs reports a file without a certificate or without a key.
    if let (Ok(chain), Ok(parsed_key)) = (chain, parsed_key)
        && let Some(first) = chain.first()
    {
        if ParsedCertificate::try_from(first).is_err() {
            let reason = "the client certificate is not one of X.509 v3";
            return Err(unusable(certificate, reason));
        }
        let provider = rustls::crypto::ring::default_provider();
        CertifiedKey::from_der(chain, parsed_key, &provider)
            .map_err(|_| unusable(key, "it is not the key of the client certificate"))?;
    }
    Ok(ClientTlsConfig {
        client_cert,
        client_key,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, RedisSettingsError> {
    fs::read(path).map_err(|error| unusable(path, error))
}

fn unusable(path: &Path, reason: impl Display) -> RedisSettingsError {
    RedisSettingsError::Certificates {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}
