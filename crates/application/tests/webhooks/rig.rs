//! A dispatcher and a service over one fake store.

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    Clock, Precondition, WebhookChange, WebhookDispatcher, WebhookDispatcherPorts, WebhookService,
    WebhookServicePorts,
};
use posthorn_domain::{
    AddressPolicy, BackoffSchedule, ConsumerKey, ConsumerKind, ConsumerName, ConsumerPosition,
    MessageId, UrlSchemes, WebhookHeaders, WebhookSettings, WebhookUrl,
};
use posthorn_testkit::{FakeClock, FakeRandom, eventually, samples};
use tokio::task::JoinHandle;

use crate::model::MessageFate;
use crate::receivers::{FakeEncoder, FakeVault, Observed, Receivers};
use crate::store::FakeWebhookStore;

pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) struct Rig {
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) store: Arc<FakeWebhookStore>,
    pub(crate) receivers: Receivers,
    pub(crate) vault: Arc<FakeVault>,
    pub(crate) observed: Arc<Observed>,
    /// As of another process: the dispatcher learns of its changes by a look.
    pub(crate) service: WebhookService,
    /// As of the process of the dispatcher.
    pub(crate) local: WebhookService,
    pub(crate) dispatcher: Arc<WebhookDispatcher>,
    running: Option<JoinHandle<()>>,
}

impl Rig {
    /// Without a running dispatcher.
    pub(crate) fn idle() -> Self {
        Self::with_vault(FakeVault::new())
    }

    pub(crate) fn with_vault(vault: FakeVault) -> Self {
        let clock = Arc::new(FakeClock::new());
        let store = Arc::new(FakeWebhookStore::new(Arc::clone(&clock)));
        let (vault, receivers) = (Arc::new(vault), Receivers::new());
        let (observed, random) = (
            Arc::new(Observed::default()),
            Arc::new(FakeRandom::default()),
        );
        let service = || WebhookServicePorts {
            consumers: Arc::clone(&store) as _,
            webhooks: Arc::clone(&store) as _,
            vault: Arc::clone(&vault) as _,
            sender: Arc::new(receivers.clone()),
            encoder: Arc::new(FakeEncoder),
            clock: Arc::clone(&clock) as _,
            random: Arc::clone(&random) as _,
        };
        let dispatcher = WebhookDispatcherPorts {
            consumers: Arc::clone(&store) as _,
            webhooks: Arc::clone(&store) as _,
            sender: Arc::new(receivers.clone()),
            vault: Arc::clone(&vault) as _,
            encoder: Arc::new(FakeEncoder),
            observer: Arc::clone(&observed) as _,
            clock: Arc::clone(&clock) as _,
            random: Arc::clone(&random) as _,
        };
        let dispatcher = Arc::new(WebhookDispatcher::new(dispatcher));
        let local = WebhookService::new(service(), AddressPolicy::default());
        Self {
            service: WebhookService::new(service(), AddressPolicy::default()),
            local: local.followed_by(Arc::clone(&dispatcher)),
            dispatcher,
            clock,
            store,
            receivers,
            vault,
            observed,
            running: None,
        }
    }

    /// With a running dispatcher.
    pub(crate) fn running() -> Self {
        let mut rig = Self::idle();
        let dispatcher = Arc::clone(&rig.dispatcher);
        rig.running = Some(tokio::spawn(async move { dispatcher.run().await }));
        rig
    }

    /// Creates the webhook `name` to `https://name.test/`, with waits of 1 and 5 seconds.
    pub(crate) async fn webhook(
        &self,
        name: &str,
        adjust: impl FnOnce(&mut WebhookSettings),
    ) -> ConsumerKey {
        let key = key(name);
        let mut change = change(name);
        adjust(&mut change.settings);
        self.service.put(&key, change).await.unwrap();
        key
    }

    /// Moves the clock in steps, and lets everything that is due run after each.
    pub(crate) async fn advance(&self, duration: Duration, step: Duration) {
        let end = self.clock.monotonic() + duration;
        while self.clock.monotonic() < end {
            self.clock.advance(step.min(end - self.clock.monotonic()));
            settle().await;
        }
    }

    /// Waits until `host` got `count` requests.
    #[track_caller]
    pub(crate) fn sent(&self, host: &str, count: usize) -> impl Future<Output = ()> {
        let (receivers, host) = (self.receivers.clone(), host.to_owned());
        eventually(SOON, async move || receivers.sent_to(&host).len() >= count)
    }

    /// Waits until the message has this state.
    #[track_caller]
    pub(crate) fn becomes<'a>(
        &'a self,
        key: &'a ConsumerKey,
        id: MessageId,
        expected: impl Fn(&MessageFate) -> bool + 'a,
    ) -> impl Future<Output = ()> + 'a {
        eventually(SOON, async move || expected(&self.store.state(key, id)))
    }

    #[track_caller]
    pub(crate) fn acked<'a>(
        &'a self,
        key: &'a ConsumerKey,
        id: MessageId,
    ) -> impl Future<Output = ()> + 'a {
        self.becomes(key, id, |state| *state == MessageFate::Acked)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
    }
}

/// Lets all tasks run until they wait. The fakes do no I/O, so a few turns are enough.
pub(crate) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

pub(crate) fn key(name: &str) -> ConsumerKey {
    ConsumerKey {
        topic: samples::topic("orders"),
        kind: ConsumerKind::Webhook,
        name: ConsumerName::parse(name).unwrap(),
    }
}

pub(crate) fn change(name: &str) -> WebhookChange {
    let url = format!("https://{name}.test/");
    let url = WebhookUrl::parse(&url, UrlSchemes::Https).unwrap();
    let mut settings = WebhookSettings::new(url);
    settings.schedule = schedule(&[1.0, 5.0]);
    WebhookChange {
        settings,
        headers: WebhookHeaders::default(),
        secret: None,
        start: ConsumerPosition::default(),
        precondition: Precondition::None,
    }
}

pub(crate) fn schedule(seconds: &[f64]) -> BackoffSchedule {
    BackoffSchedule::parse(seconds).unwrap()
}
