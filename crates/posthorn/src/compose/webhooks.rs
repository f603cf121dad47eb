//! Webhooks: their secrets, their HTTP client, and the dispatcher that delivers.

use std::sync::Arc;

use posthorn_application::{
    ConsumerStore, WebhookDispatcher, WebhookDispatcherPorts, WebhookEncoder, WebhookSender,
    WebhookService, WebhookServicePorts, WebhookStore, WebhookVault,
};
use posthorn_config::{ProxyUrl, Settings};
use posthorn_domain::AddressPolicy;
use posthorn_http::WebhookPayload;
use posthorn_system::ThreadRng;
use posthorn_telemetry::TracedWebhookSender;
use posthorn_webhooks::{AeadVault, HttpSender, HttpSenderSettings};
use secrecy::ExposeSecret;

use super::context::Context;
use super::error::AppError;

/// The use cases of webhooks, and their deliveries.
pub(super) struct Webhooks {
    pub(super) service: Arc<WebhookService>,
    pub(super) dispatcher: Arc<WebhookDispatcher>,
    /// The addresses that may be called.
    pub(super) addresses: AddressPolicy,
}

/// Builds the webhooks over the two ports of one store, and starts to deliver.
pub(super) async fn start(
    context: &mut Context,
    consumers: Arc<dyn ConsumerStore>,
    webhooks: Arc<dyn WebhookStore>,
) -> Result<Webhooks, AppError> {
    let (settings, clock) = (&context.settings, &context.clock);
    let addresses = AddressPolicy::new(settings.webhooks.webhook_allow_cidrs.clone());
    let vault: Arc<dyn WebhookVault> = Arc::new(vault(settings)?);
    let mut sender: Arc<dyn WebhookSender> = Arc::new(sender(settings, &addresses)?);
    if settings.traces.is_some() {
        sender = Arc::new(TracedWebhookSender::new(sender));
    }
    let encoder: Arc<dyn WebhookEncoder> =
        Arc::new(WebhookPayload::new(settings.http.public_url.clone()));
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
    let is_rotating = settings.secret.previous_key().is_some();
    if is_rotating {
        service.reencrypt_and_log().await;
    }
    let dispatcher = Arc::new(WebhookDispatcher::new(WebhookDispatcherPorts {
        consumers,
        webhooks,
        sender,
        vault,
        encoder,
        observer: Arc::clone(&context.metrics) as _,
        clock: Arc::clone(clock),
        random: Arc::new(ThreadRng),
    }));
    let delivering = Arc::clone(&dispatcher);
    let tasks = &mut context.supervisor;
    tasks.run("webhooks", async move { delivering.run().await });
    let service = Arc::new(service.followed_by(Arc::clone(&dispatcher)));
    if is_rotating {
        let encrypting = Arc::clone(&service);
        tasks.run("webhook-secrets", async move {
            encrypting.keep_reencrypting().await;
        });
    }
    Ok(Webhooks {
        service,
        dispatcher,
        addresses,
    })
}

fn vault(settings: &Settings) -> Result<AeadVault, AppError> {
    let secret = &settings.secret;
    let is_lasting = !secret.key_is_random();
    AeadVault::new(secret.key(), secret.previous_key(), is_lasting)
        .map_err(|error| AppError::unusable("SECRET_KEY", "the key", error))
}

fn sender(settings: &Settings, addresses: &AddressPolicy) -> Result<HttpSender, AppError> {
    let proxy = settings.webhooks.webhook_proxy.as_ref();
    let sender = HttpSender::new(HttpSenderSettings {
        addresses: addresses.clone(),
        https_only: settings.app.environment.is_production(),
        proxy: proxy.map(|ProxyUrl(url)| url.expose_secret().to_owned()),
        max_requests: posthorn_system::limit_webhook_requests(settings.http.max_connections),
    });
    sender.map_err(|error| AppError::unusable("WEBHOOK_PROXY", "the proxy", error))
}
