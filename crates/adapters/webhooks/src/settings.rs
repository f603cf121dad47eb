//! How webhook requests are sent.

use posthorn_domain::AddressPolicy;

/// How webhook requests are sent.
#[derive(Clone, Debug, Default)]
pub struct HttpSenderSettings {
    /// The addresses that may be called.
    pub addresses: AddressPolicy,
    /// Refuses URLs without TLS.
    pub https_only: bool,
    /// The URL of a proxy for all requests. The proxy resolves the names, so it has to refuse
    /// private networks; addresses in URLs are still checked here.
    pub proxy: Option<String>,
}
