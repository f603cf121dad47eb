//! The errors of reqwest as those of the port.

use std::error::Error;
use std::io;
use std::iter::successors;

use posthorn_application::WebhookSendError;
use rustls::CertificateError;

use crate::guard::{ResolveError, is_exhausted};

/// The start of the text of hyper-util's error for a proxy that gives no connection, whose type is private.
const TUNNEL_ERROR: &str = "tunnel error: ";
const UNAUTHORIZED_TEXT: &str = "it requires authentication";

/// Converts an error of a request through a proxy. What fails before the proxy has a connection to the
/// receiver is a failure of the proxy. `is_tunneled` is true for `https`, which the proxy only forwards:
/// TLS to the receiver comes after the connection.
pub(crate) fn convert_of_proxy(error: &reqwest::Error, is_tunneled: bool) -> WebhookSendError {
    let texts = || causes(error).map(ToString::to_string);
    let is_of_tunnel = texts().any(|text| text.starts_with(TUNNEL_ERROR));
    let failure = convert(error);
    let reason = match failure {
        WebhookSendError::Unresolved => "its name does not resolve".to_owned(),
        WebhookSendError::Exhausted => return failure,
        _ if !error.is_connect() || (is_tunneled && !is_of_tunnel) => return failure,
        WebhookSendError::Connect(reason) => match reason.strip_prefix(TUNNEL_ERROR) {
            Some("proxy authorization required") => UNAUTHORIZED_TEXT.to_owned(),
            Some(_) => "it gave no connection to the receiver".to_owned(),
            None => format!("no connection: {reason}"),
        },
        failure => failure.to_string(),
    };
    WebhookSendError::Proxy(reason)
}

/// The failure of a proxy that responds with 407.
pub(crate) fn proxy_unauthorized() -> WebhookSendError {
    WebhookSendError::Proxy(UNAUTHORIZED_TEXT.to_owned())
}

/// Converts an error by its causes. Its own text is not used: it contains the URL.
pub(crate) fn convert(error: &reqwest::Error) -> WebhookSendError {
    if let Some(resolve) = cause::<ResolveError>(error) {
        return match resolve {
            ResolveError::Forbidden(range) => WebhookSendError::Forbidden(*range),
            ResolveError::Unresolved => WebhookSendError::Unresolved,
            ResolveError::Exhausted => WebhookSendError::Exhausted,
        };
    }
    let io = cause::<io::Error>(error).map(unwrap);
    if io.is_some_and(is_exhausted) {
        return WebhookSendError::Exhausted;
    }
    if error.is_connect() {
        return match io.map(io::Error::kind) {
            // tokio-rustls reports an alert or an invalid certificate as data, and a receiver that
            // hangs up in the handshake as an end.
            Some(io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {
                WebhookSendError::Tls(io.map(tls_reason).unwrap_or_default())
            }
            Some(io::ErrorKind::TimedOut) => WebhookSendError::Timeout,
            Some(io::ErrorKind::Other) | None => WebhookSendError::Connect(innermost(error)),
            Some(kind) => WebhookSendError::Connect(kind.to_string()),
        };
    }
    match cause::<hyper::Error>(error) {
        Some(hyper) if hyper.is_parse() => WebhookSendError::Protocol,
        Some(hyper) if hyper.is_incomplete_message() || hyper.is_canceled() => {
            WebhookSendError::Closed
        }
        _ => match io.map(io::Error::kind) {
            Some(
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof,
            ) => WebhookSendError::Closed,
            _ => WebhookSendError::Failed(innermost(error)),
        },
    }
}

/// Why there is no TLS session. The texts of rustls name its own types for most certificates.
fn tls_reason(error: &io::Error) -> String {
    let rustls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(reason)) = rustls else {
        return error.to_string();
    };
    let text = match reason {
        CertificateError::UnknownIssuer => "the issuer of the certificate is unknown",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the certificate has expired"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate is not valid yet"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the certificate is for another name"
        }
        CertificateError::Revoked => "the certificate is revoked",
        _ => "the certificate is not valid",
    };
    text.to_owned()
}

/// The causes of an error, from the outermost on.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    successors(error.source(), next_cause)
}

fn next_cause<'a>(cause: &&'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let cause: &'a (dyn Error + 'static) = *cause;
    cause.source()
}

fn cause<T: Error + 'static>(error: &reqwest::Error) -> Option<&T> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// The error that others of its type only wrap: hyper-rustls does that with the errors of TLS.
fn unwrap(error: &io::Error) -> &io::Error {
    let mut innermost = error;
    while let Some(inner) = innermost.get_ref().and_then(|inner| inner.downcast_ref()) {
        innermost = inner;
    }
    innermost
}

/// The text of the first cause.
fn innermost(error: &reqwest::Error) -> String {
    let text = causes(error).last().map(ToString::to_string);
    text.unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_certificate_is_told_in_words() {
        for (reason, text) in [
            (
                CertificateError::UnknownIssuer,
                "the issuer of the certificate is unknown",
            ),
            (CertificateError::Expired, "the certificate has expired"),
            (
                CertificateError::BadSignature,
                "the certificate is not valid",
            ),
        ] {
            let error = rustls::Error::InvalidCertificate(reason);
            let error = io::Error::new(io::ErrorKind::InvalidData, error);
            assert_eq!(tls_reason(&error), text);
        }
        let other = io::Error::new(io::ErrorKind::InvalidData, "an alert");
        assert_eq!(tls_reason(&other), "an alert");
    }
}
