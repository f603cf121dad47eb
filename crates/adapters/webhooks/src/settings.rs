//! How webhook requests are sent.

use posthorn_domain::AddressPolicy;
use tokio::sync::Semaphore;

/// How webhook requests are sent.
#[derive(Clone, Debug)]
pub struct HttpSenderSettings {
    /// The addresses that may be called.
    pub addresses: AddressPolicy,
    /// Refuses URLs without TLS.
    pub https_only: bool,
    /// The URL of a proxy for all requests. The proxy resolves the names, so it has to refuse
    /// private networks; addresses in URLs are still checked here.
    pub proxy: Option<String>,
    /// The most requests at once. A further one waits for its turn, at most half of its time limit.
    pub max_requests: usize,
}

impl Default for HttpSenderSettings {
    fn default() -> Self {
        Self {
            addresses: AddressPolicy::default(),
            https_only: false,
            proxy: None,
            max_requests: Semaphore::MAX_PERMITS,
        }
    }
}
