//! The HTTP client that all webhooks share.

use std::sync::Arc;

use posthorn_application::{WebhookEndpoint, WebhookSender};
use posthorn_domain::{WebhookPrivate, WebhookSettings};
use reqwest::dns::Resolve;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Proxy};
use tokio::sync::Semaphore;

use crate::endpoint::{HttpEndpoint, IDLE_TIMEOUT};
use crate::guard::GuardedResolver;
use crate::resolver::SystemResolver;
use crate::settings::HttpSenderSettings;

/// The most idle connections to one receiver.
const MAX_IDLE_PER_HOST: usize = 256;
const USER_AGENT: &str = concat!("Posthorn/", env!("CARGO_PKG_VERSION"));

/// Sends webhook requests over HTTP/1.1. Needs a tokio runtime and a default provider of rustls.
pub struct HttpSender {
    client: Client,
    settings: HttpSenderSettings,
    /// One permit for each request: receivers that hang must not use up the limit on open files.
    requests: Arc<Semaphore>,
}

/// The HTTP client cannot be built, or the URL of the proxy is invalid.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client of webhooks: {0}")]
pub struct HttpSenderError(#[from] reqwest::Error);

impl HttpSender {
    /// A sender that resolves names as the system does.
    pub fn new(settings: HttpSenderSettings) -> Result<Self, HttpSenderError> {
        Self::with_resolver(settings, Arc::new(SystemResolver::default()))
    }

    /// A sender that resolves names by `resolver`, whose addresses are checked.
    pub fn with_resolver(
        settings: HttpSenderSettings,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, HttpSenderError> {
        let client = match build(&settings, &resolver, |builder| builder) {
            Ok(client) => client,
            // A system without certificate authorities: `http` works, and `https` fails with the
            // reason at each attempt.
            Err(error) if settings.proxy.is_none() => {
                tracing::warn!(%error, "no certificate authorities: webhooks to https will fail");
                let no_roots = std::iter::empty::<Certificate>();
                build(&settings, &resolver, |builder| {
                    builder.tls_certs_only(no_roots)
                })?
            }
            Err(error) => return Err(error.into()),
        };
        let most = settings.max_requests.clamp(1, Semaphore::MAX_PERMITS);
        Ok(Self {
            client,
            requests: Arc::new(Semaphore::new(most)),
            settings,
        })
    }
}

fn build(
    settings: &HttpSenderSettings,
    resolver: &Arc<dyn Resolve>,
    with_roots: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> Result<Client, reqwest::Error> {
    // Neither redirects nor the proxies of the environment: both lead past the guard.
    let builder = Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .user_agent(USER_AGENT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(MAX_IDLE_PER_HOST.min(settings.max_requests / 4));
    let builder = match &settings.proxy {
        // The only name that is resolved here is that of the proxy, which the operator set.
        Some(proxy) => builder
            .proxy(Proxy::all(proxy)?)
            .dns_resolver(Arc::clone(resolver)),
        None => builder.dns_resolver(Arc::new(GuardedResolver::new(
            settings.addresses.clone(),
            Arc::clone(resolver),
        ))),
    };
    with_roots(builder).build()
}

impl WebhookSender for HttpSender {
    fn endpoint(
        &self,
        settings: &WebhookSettings,
        private: &WebhookPrivate,
    ) -> Arc<dyn WebhookEndpoint> {
        let shared = (self.client.clone(), Arc::clone(&self.requests));
        Arc::new(HttpEndpoint::new(shared, &self.settings, settings, private))
    }
}
