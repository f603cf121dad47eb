//! The values of Posthorn and their rules.
//!
//! A value has private fields and one fallible constructor, so that every value satisfies its rules.
//! Nothing here reads a clock, uses a network or knows a wire format.

mod attributes;
mod backoff;
mod backoff_schedule;
mod claims;
mod client;
mod consumer;
mod content;
mod durability;
mod environment;
mod failure_reason;
mod idempotency;
mod lease;
mod message;
mod message_batch;
mod message_checksum;
mod message_id;
mod quota;
mod receipt;
mod scope;
mod seconds;
mod time_text;
mod timestamp;
mod token;
mod topic;
mod topic_ranges;
mod trace_parent;
mod webhook;

pub use attributes::{AttributeError, Attributes};
pub use backoff::Backoff;
pub use backoff_schedule::{BackoffSchedule, BackoffScheduleError};
pub use claims::{Claims, MAX_TOKEN_BYTES, MAX_TOKEN_LIFETIME, MAX_TOKEN_TOPICS, TOKEN_LEEWAY};
pub use client::{AddressRange, AddressRangeError, Client};
pub use consumer::{
    ConsumerKey, ConsumerKind, ConsumerName, ConsumerNameError, ConsumerOptions, ConsumerPosition,
    ConsumerSettings, ConsumerSettingsError, InFlightLimit, InFlightLimitError, PullLimit,
    PullLimitError, PullWait, RedeliveryDelay, SettingsTag,
};
pub use content::{Charset, CharsetError, ContentError, ContentRules, MessageContent};
pub use durability::{Durability, DurabilityError};
pub use environment::{Environment, EnvironmentError};
pub use failure_reason::{FailureReason, FailureReasonError};
pub use idempotency::{Fingerprint, IdempotencyKey, IdempotencyKeyError};
pub use lease::{
    Attempt, AttemptError, LeaseBatch, LeaseBatchError, LeaseDuration, LeaseNonce, LeaseToken,
};
pub use message::{Message, MessageParts, NewMessage};
pub use message_batch::{BatchMessage, MessageBatch, MessageBatchError};
pub use message_checksum::MessageChecksum;
pub use message_id::{MessageId, MessageIdError};
pub use quota::{
    Quota, QuotaExpected, QuotaLimits, QuotaParseError, QuotaRule, QuotaRuleError, QuotaStrategy,
    QuotaStrategyError, QuotaUnit,
};
pub use receipt::Receipt;
pub use scope::{Scope, ScopeError, Scopes, TopicPattern, TopicPatternError};
pub use seconds::SecondsError;
pub use time_text::{Rfc3339Parts, parse_duration_back};
pub use timestamp::Timestamp;
pub use token::{Subject, SubjectError, TokenId, TokenIdError};
pub use topic::{Topic, TopicError};
pub use topic_ranges::TopicRanges;
pub use trace_parent::{TraceParent, TraceParentError};
pub use webhook::{
    AddressPolicy, AttemptTimeout, DeliveryConcurrency, DeliveryConcurrencyError, DeliveryRate,
    DeliveryRateError, DisableReason, ForbiddenAddress, PreviousSecret, UrlSchemes, WebhookAttempt,
    WebhookFormat, WebhookFormatError, WebhookHeaders, WebhookHeadersError, WebhookHealth,
    WebhookOptions, WebhookPrivate, WebhookSalt, WebhookSecret, WebhookSecretError,
    WebhookSettings, WebhookSettingsError, WebhookState, WebhookUrl, WebhookUrlError,
};
