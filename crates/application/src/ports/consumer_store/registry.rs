//! Creating consumers and reading their state.

use posthorn_domain::{ConsumerKey, ConsumerPosition, ConsumerSettings, SettingsTag, Timestamp};

/// The most consumers of a topic, webhooks included.
pub const MAX_CONSUMERS_PER_TOPIC: usize = 64;

/// What to create, or to change a consumer to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutConsumer {
    /// The settings.
    pub settings: ConsumerSettings,
    /// The version of the settings. The store keeps it beside them and compares it only.
    pub tag: SettingsTag,
    /// The position; counts only when the consumer is created.
    pub start: ConsumerPosition,
    /// The state that the client expects.
    pub precondition: Precondition,
}

/// The state of a consumer that a client expects, as RFC 9110, 13.1 has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Precondition {
    /// Any state.
    #[default]
    None,
    /// It exists: `If-Match: *`.
    Exists,
    /// It does not exist: `If-None-Match: *`.
    Absent,
    /// It exists with settings of one of these versions: `If-Match` with a list.
    Matches(Vec<SettingsTag>),
    /// It does not exist, or has settings of none of these versions: `If-None-Match` with a list.
    Differs(Vec<SettingsTag>),
}

/// The outcome of a put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerPut {
    /// Whether the consumer was created.
    pub created: bool,
    /// Its state afterwards.
    pub status: ConsumerStatus,
}

/// A consumer at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerStatus {
    /// Its identity.
    pub key: ConsumerKey,
    /// Its settings.
    pub settings: ConsumerSettings,
    /// The version of its settings.
    pub tag: SettingsTag,
    /// Its messages, counted.
    pub counts: ConsumerCounts,
    /// When the store accepted the waiting message with the smallest id; `None` exactly when no
    /// message waits.
    pub oldest_waiting_at: Option<Timestamp>,
    /// When the last pull came, by the store's clock.
    pub last_pull_at: Option<Timestamp>,
}

/// The messages of a consumer, counted at the moment of the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsumerCounts {
    /// New messages and waiting entries, those that are not due yet included.
    pub waiting: u64,
    /// Valid leases.
    pub in_flight: u64,
    /// Dead letters.
    pub dead: u64,
    /// Messages that retention removed before they were settled, since the consumer was created.
    pub missed: u64,
    /// Dead letters that were removed because there were too many, since the consumer was created.
    pub dead_dropped: u64,
}

impl Precondition {
    /// Whether it holds for a consumer whose settings have the version `current`; `None` for a
    /// consumer that does not exist.
    pub fn holds(&self, current: Option<SettingsTag>) -> bool {
        match self {
            Self::None => true,
            Self::Exists => current.is_some(),
            Self::Absent => current.is_none(),
            Self::Matches(tags) => current.is_some_and(|current| tags.contains(&current)),
            Self::Differs(tags) => current.is_none_or(|current| !tags.contains(&current)),
        }
    }
}
