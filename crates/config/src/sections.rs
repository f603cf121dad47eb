//! The sections, one file for each concern.

mod access;
mod app;
mod http;
mod listen;
mod log;
mod metrics;
mod quotas;
mod redis;
mod secret_key;
mod shutdown;
mod store;
mod traces;
mod webhooks;

use std::sync::LazyLock;

use posthorn_http::settings::HttpSettings;
use posthorn_telemetry::TraceSettings;

pub use access::AccessSection;
pub use app::AppSection;
pub use listen::{ListenOrigins, ListenSection};
pub use log::LogSection;
pub use metrics::MetricsSection;
pub use quotas::QuotaRules;
pub use redis::{RedisSection, RedisUrl};
pub use secret_key::{DevelopmentKeyError, SecretSection};
pub use shutdown::ShutdownSection;
pub use store::{StoreSection, StoreUrl};
pub use webhooks::{ProxyUrl, ProxyUrlError, WebhookSection};

use crate::loader::Loader;
use crate::setting::{SectionSettings, Sections};
use quotas::QuotaSection;
use traces::TraceSection;

/// Every setting of the binary.
#[derive(Debug)]
pub struct Settings {
    /// The application's identity.
    pub app: AppSection,
    /// The listeners.
    pub listen: ListenSection,
    /// The keys that sign tokens and encrypt the secrets of webhooks.
    pub secret: SecretSection,
    /// Access control.
    pub access: AccessSection,
    /// The store of messages.
    pub store: StoreSection,
    /// The shared Redis.
    pub redis: RedisSection,
    /// The delivery to webhooks.
    pub webhooks: WebhookSection,
    /// The HTTP server.
    pub http: HttpSettings,
    /// The rate limits of clients; `None` if they are switched off.
    pub quotas: Option<QuotaRules>,
    /// Logs.
    pub log: LogSection,
    /// Metrics.
    pub metrics: MetricsSection,
    /// The destination of traces; `None` if none are sent.
    pub traces: Option<TraceSettings>,
    /// The end of the process.
    pub shutdown: ShutdownSection,
}

/// The settings of every section, in the order of the reference.
pub(crate) static SECTIONS: LazyLock<Sections> = LazyLock::new(|| {
    Sections(vec![
        SectionSettings::of::<AppSection>(),
        SectionSettings::of::<ListenSection>(),
        SectionSettings::of::<SecretSection>(),
        SectionSettings::of::<AccessSection>(),
        SectionSettings::of::<StoreSection>(),
        SectionSettings::of::<RedisSection>(),
        SectionSettings::of::<WebhookSection>(),
        SectionSettings::of::<HttpSettings>(),
        SectionSettings::of::<QuotaSection>(),
        SectionSettings::of::<LogSection>(),
        SectionSettings::of::<MetricsSection>(),
        SectionSettings::of::<TraceSection>(),
        SectionSettings::of::<ShutdownSection>(),
    ])
});

impl Settings {
    /// Loads every section; `None` if one has a mistake.
    pub(crate) fn load(loader: &mut Loader) -> Option<Self> {
        // The environment comes first, because it decides on the values of the others. All are loaded
        // before the first `?`, so that one run reports the mistakes of all.
        let app: Option<AppSection> = loader.section();
        loader.environment = app.as_ref().map(|app| app.environment).unwrap_or_default();
        let listen = loader.section();
        let secret = loader.section();
        let access = loader.section();
        let store = loader.section();
        let redis: Option<RedisSection> = loader.section();
        let store_url = match store.as_ref().map(|store: &StoreSection| &store.store_url) {
            Some(StoreUrl::Redis(url)) => Some(url),
            _ => None,
        };
        let redis = redis.and_then(|section| loader.accept(section.certified(store_url)));
        let webhooks = loader.section();
        let http = loader.section();
        let quotas: Option<QuotaSection> = loader.section();
        let quotas = quotas.and_then(|section| loader.accept(section.rules()));
        let log = loader.section();
        let metrics = loader.section();
        let traces: Option<TraceSection> = loader.section();
        let traces = traces.and_then(|section| loader.accept(section.target()));
        let shutdown = loader.section();
        Some(Self {
            app: app?,
            listen: listen?,
            secret: secret?,
            access: access?,
            store: store?,
            redis: redis?,
            webhooks: webhooks?,
            http: http?,
            quotas: quotas?,
            log: log?,
            metrics: metrics?,
            traces: traces?,
            shutdown: shutdown?,
        })
    }
}
