//! Webhooks: their secrets, their HTTP client, and the dispatcher that delivers.

use std::sync::Arc;

use posthorn_application::{
    Clock, ConsumerStore, WebhookDispatcher, WebhookDispatcherPorts, WebhookEncoder, WebhookSender,
    WebhookService, WebhookServicePorts, WebhookStore, WebhookVault,
};
use posthorn_config::{ProxyUrl, Settings};
use posthorn_domain::AddressPolicy;
use posthorn_http::WebhookPayload;
use posthorn_system::ThreadRng;
use posthorn_telemetry::Metrics;
use posthorn_webhooks::{AeadVault, HttpSender, HttpSenderSettings};
use secrecy::ExposeSecret;

use super::error::StartError;
use crate::supervisor::Supervisor;

/// The use cases of webhooks, and their deliveries.
pub(super) struct Webhooks {
    pub(super) service: Arc<WebhookService>,
    pub(super) dispatcher: Arc<WebhookDispatcher>,
    /// The addresses that may be called.
    pub(super) addresses: AddressPolicy,
}

/// The two ports of one store.
pub(super) struct WebhookStores {
    pub(super) consumers: Arc<dyn ConsumerStore>,
    pub(super) webhooks: Arc<dyn WebhookStore>,
}

/// Builds the webhooks of the store, and starts to deliver.
pub(super) async fn start(
    settings: &Settings,
    stores: WebhookStores,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
    supervisor: &mut Supervisor,
) -> Result<Webhooks, StartError> {
    let addresses = AddressPolicy::new(settings.webhooks.webhook_allow_cidrs.clone());
    let vault: Arc<dyn WebhookVault> = Arc::new(vault(settings)?);
    let sender: Arc<dyn WebhookSender> = Arc::new(sender(settings, &addresses)?);
    let encoder: Arc<dyn WebhookEncoder> = Arc::new(WebhookPayload);
    let WebhookStores {
        consumers,
        webhooks,
    } = stores;
    let ports = WebhookServicePorts {
        consumers: Arc::clone(&consumers),
        webhooks: Arc::clone(&webhooks),
        vault: Arc::clone(&vault),
        sender: Arc::clone(&sender),
        encoder: Arc::clone(&encoder),
        clock: Arc::clone(clock),
        random: Arc::new(ThreadRng),
    };
    let service = WebhookService::new(ports, addresses.clone());
    if settings.secret.previous_key().is_some() {
        reencrypt(&service).await;
    }
    let dispatcher = Arc::new(WebhookDispatcher::new(WebhookDispatcherPorts {
        consumers,
        webhooks,
        sender,
        vault,
        encoder,
        observer: Arc::clone(metrics) as _,
        clock: Arc::clone(clock),
        random: Arc::new(ThreadRng),
    }));
    let delivering = Arc::clone(&dispatcher);
    supervisor.run("webhooks", async move { delivering.run().await });
    Ok(Webhooks {
        service: Arc::new(service),
        dispatcher,
        addresses,
    })
}

fn vault(settings: &Settings) -> Result<AeadVault, StartError> {
    let secret = &settings.secret;
    let is_lasting = !secret.key_is_random();
    AeadVault::new(secret.key(), secret.previous_key(), is_lasting).map_err(|error| {
        StartError::Dependency {
            setting: "SECRET_KEY",
            target: "the key".to_owned(),
            reason: error.to_string(),
        }
    })
}

fn sender(settings: &Settings, addresses: &AddressPolicy) -> Result<HttpSender, StartError> {
    let proxy = settings.webhooks.webhook_proxy.as_ref();
    let sender = HttpSender::new(HttpSenderSettings {
        addresses: addresses.clone(),
        https_only: settings.app.environment.is_production(),
        proxy: proxy.map(|ProxyUrl(url)| url.expose_secret().to_owned()),
    });
    sender.map_err(|error| StartError::Dependency {
        setting: "WEBHOOK_PROXY",
        target: "the proxy".to_owned(),
        reason: error.to_string(),
    })
}

/// Encrypts the secrets of webhooks under the current key that are encrypted under the previous one.
/// A failure is logged: the next start tries again, and the previous key still decrypts.
async fn reencrypt(service: &WebhookService) {
    match service.reencrypt().await {
        Ok(0) => {}
        Ok(webhooks) => tracing::info!(webhooks, "the secrets of webhooks are encrypted again"),
        Err(error) => {
            tracing::warn!(%error, "the secrets of webhooks could not all be encrypted again");
        }
    }
}
