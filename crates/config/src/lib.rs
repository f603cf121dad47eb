//! The configuration: built-in defaults, then a TOML file, then the environment.
//!
//! A setting is one field of one section in `sections`, with its documentation, its default and its
//! rule. figment extracts the sections, garde checks them, schemars describes them. Every mistake is
//! reported in one run.
#![expect(
    clippy::ref_option,
    clippy::trivially_copy_pass_by_ref,
    reason = "garde passes values and its context by reference"
)]

mod field_names;
mod load;
mod loader;
mod mistake;
mod reference;
mod schema;
mod secret;
mod section;
mod sections;
mod setting;
mod sources;
mod warnings;
mod without_effect;

pub use load::{Loaded, load};
pub use loader::Effective;
pub use mistake::{ConfigError, ConfigErrors};
pub use reference::{help_text, reference_markdown};
pub use schema::json_schema;
pub use sections::{
    AccessSection, AppSection, DevelopmentKeyError, ListenOrigins, ListenSection, LogSection,
    MetricsSection, ProxyUrl, ProxyUrlError, QuotaRules, RedisSection, RedisUrl, SecretSection,
    Settings, ShutdownSection, StoreSection, StoreUrl, WebhookSection,
};
pub use sources::Sources;
pub use warnings::OpenSecretFile;
pub use without_effect::SettingWithoutEffect;
