//! The configuration: built-in defaults, then a TOML file, then the environment.
//!
//! Every setting is declared once, in `catalogue`; reading, `posthorn config` and the reference in
//! `docs/CONFIGURATION.md` all come from there. All mistakes are reported in one run.

mod catalogue;
mod parse;
mod quotas;
mod read;
mod reader;
mod reference;
mod secret;
mod settings;
mod source;
mod traces;

pub use catalogue::{CATALOGUE, Setting};
pub use reader::{ConfigError, ConfigErrors, Effective};
pub use reference::reference_markdown;
pub use settings::{
    AccessSection, HttpSection, ListenSection, LogSection, QuotaSection, RedisSection,
    SecretSection, Settings, ShutdownSection, StoreSection, StoreUrl, TraceSection,
};
pub use source::{SourceError, Sources};

/// What was read: the settings, and where each value came from.
#[derive(Debug)]
pub struct Loaded {
    /// The typed settings.
    pub settings: Settings,
    /// Every effective value with its origin, in the order of the catalogue, secrets masked.
    pub effective: Vec<Effective>,
}

/// Reads and checks the whole configuration.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigErrors> {
    read::read(sources)
}
