//! The use cases of Posthorn and the ports they own.
//!
//! A port is a small trait whose doc comment is its contract. Adapters implement the ports, and the
//! binary selects them. Nothing here knows a runtime, a transport or a storage engine.

mod access;
mod breaker;
mod clock_guard;
mod consumer_notifier;
mod consumer_service;
mod damaged_consumers;
mod digest_parts;
mod fallback;
mod given_ids;
mod guarded_clock;
mod health_service;
mod info_service;
mod lifecycle;
mod message_service;
mod ports;
mod rate_limiter;
mod replica_share;
mod retention;
mod topic_notifier;
mod wake_channel;
mod wake_group;
mod watched;
mod webhook_dispatcher;
mod webhook_notifier;
mod webhook_service;

pub use access::{
    AccessControl, AccessPolicy, AccessRequest, Action, Credentials, FailureLimit, Grant, Refusal,
    RefusedRequest,
};
pub use breaker::{Breaker, BreakerSettings, BreakerState};
pub use clock_guard::{ClockGuard, TimeBounds};
pub use consumer_notifier::{ConsumerNotifier, ConsumerSubscription};
pub use consumer_service::{
    ConsumerService, DeliveryGuard, LeasedDelivery, PullMessages, Pulled, Settled,
};
pub use damaged_consumers::DamagedConsumers;
pub use digest_parts::digest_parts;
pub use fallback::Fallback;
pub use given_ids::GivenIds;
pub use guarded_clock::GuardedClock;
pub use health_service::{
    CacheDependency, CheckOutcome, HealthCheck, HealthReport, HealthService, HealthStatus,
    NotReady, StoreDependency,
};
pub use info_service::{AppIdentity, InfoService, InfoSnapshot};
pub use lifecycle::{Lifecycle, Phase};
pub use message_service::{
    CachedMessage, FollowEvent, MessageService, SendBatch, SendError, SendMessage, TopicFollower,
    TopicListing, TopicTails,
};
pub use ports::backend_error::BackendError;
pub use ports::cache::Cache;
pub use ports::clock::Clock;
pub use ports::consumer_store::{
    ConsumerCounts, ConsumerDelivery, ConsumerError, ConsumerPut, ConsumerStatus, ConsumerStore,
    DeadLetter, DeadLetterPage, DeadLetterRequest, DeliveryState, LeaseUpdate, LeasedMessage,
    LeasesUpdated, MAX_CONSUMERS_PER_TOPIC, MAX_DEAD_LETTERS, Precondition, PullRequest,
    PulledLeases, PutConsumer, Redrive, RedriveError, Redriven,
};
pub use ports::dependency::{Dependency, DependencyError, DependencyObserver};
pub use ports::message_store::{
    Anchor, Append, AppendBatch, AppendError, Appended, AppendedBatch, BulkDeletion, ByteBudget,
    Idempotency, MessageStore, Page, PageLimit, PageLimitError, PageRequest, Pruned,
    RetentionPolicy, StoreError, StoreIdentity, StoreUsage, Subscription, TopicPage, TopicRequest,
    TopicSummary,
};
pub use ports::quota_counter::{
    QuotaClass, QuotaCounter, QuotaDecision, QuotaKey, QuotaScope, QuotaWindow,
};
pub use ports::random::RandomSource;
pub use ports::revocation_list::{MAX_REVOCATION_DELAY, RevocationList};
pub use ports::token_issuer::{IssueError, NewToken, TokenIssuer};
pub use ports::token_verifier::{TokenError, TokenVerifier};
pub use ports::webhook_encoder::WebhookEncoder;
pub use ports::webhook_observer::{AttemptOutcome, WebhookObserver};
pub use ports::webhook_sender::{
    RetryAfter, WebhookEndpoint, WebhookEvent, WebhookEventKind, WebhookReply, WebhookSendError,
    WebhookSender,
};
pub use ports::webhook_store::{
    MAX_ATTEMPTS_PER_CALL, MAX_KEPT_ATTEMPTS, PutWebhook, RequeueRequest, Requeued,
    WebhookIncarnation, WebhookPut, WebhookRecord, WebhookStatus, WebhookStore, WebhookTarget,
};
pub use ports::webhook_vault::{OpenedPrivate, VaultError, WebhookVault};
pub use rate_limiter::{Caller, RateLimitDecision, RateLimiter, RateLimiterSettings};
pub use replica_share::ReplicaShare;
pub use retention::{RetentionService, RetentionSettings};
pub use topic_notifier::{TopicNotifier, TopicSubscription};
pub use wake_group::{GroupWait, wake_together};
pub use webhook_dispatcher::{WebhookDispatcher, WebhookDispatcherPorts};
pub use webhook_notifier::{WebhookNotifier, WebhookSubscription};
pub use webhook_service::{
    Replay, ReplayBound, WebhookChange, WebhookChanged, WebhookError, WebhookService,
    WebhookServicePorts, WebhookTested, WebhookView,
};
