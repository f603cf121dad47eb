//! The port for quota counters.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use posthorn_domain::{Client, Quota, QuotaRule};

use super::backend_error::BackendError;

/// Counts the requests of clients and decides by limits.
///
/// # Contract
/// - `hit` MUST decide all limits of the rule in one atomic step: the request is allowed if every
///   window has capacity, and then counts in each; a denied request MUST NOT count anywhere. `hit_many`
///   MUST decide likewise on all of its requests together.
/// - Under any schedule of calls, a window MUST NOT contain more allowed requests of one key than its
///   limit: one window of the clock for `FixedWindow`, any interval of the window's length for
///   `MovingWindow`. A fixed window starts at a multiple of its length since the Unix
///   epoch. A request at the very end of a window belongs to the next one.
/// - Keys MUST NOT affect each other, nor may the windows of one key. A changed limit of a window
///   keeps the count of that window.
/// - `peek` MUST NOT change the outcome of a later call.
/// - Counts MUST be dropped once they cannot affect a decision, and the memory in use MUST be
///   bounded. A counter that drops counts sooner documents which.
/// - Every operation MUST end within a bound that the adapter's configuration names, and MUST be
///   safe to drop at any await.
///
/// # Errors
/// Every operation MUST report an unreachable, slow or restarting back end as
/// [`BackendError::Unavailable`] and a permanent error as [`BackendError::Failed`].
#[async_trait]
pub trait QuotaCounter: Send + Sync {
    /// Counts one request of `key` if it is within `rule`.
    async fn hit(&self, key: &QuotaKey, rule: &QuotaRule) -> Result<QuotaDecision, BackendError>;

    /// Counts `count` requests of `key`, at least 1, if all of them are within `rule`.
    async fn hit_many(
        &self,
        key: &QuotaKey,
        rule: &QuotaRule,
        count: u32,
    ) -> Result<QuotaDecision, BackendError>;

    /// The decision that `hit` would return, without counting.
    async fn peek(&self, key: &QuotaKey, rule: &QuotaRule) -> Result<QuotaDecision, BackendError>;
}

/// The kind of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QuotaClass {
    /// Sending messages.
    Message,
    /// Reading topics, messages and streams.
    Read,
    /// The calls of consumers.
    Consume,
    /// Deleting messages.
    Delete,
    /// All other routes, each counted separately.
    Default,
}

/// The requests that are counted together for one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QuotaScope {
    /// The kind.
    pub class: QuotaClass,
    /// The route, in a class whose routes are counted separately; empty in the other classes. Of
    /// ASCII letters, digits and `-`.
    pub route: &'static str,
}

/// The key of a count.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QuotaKey {
    /// The client.
    pub client: Client,
    /// The requests.
    pub scope: QuotaScope,
}

/// The state of one window after a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaWindow {
    /// The limit.
    pub quota: Quota,
    /// The number of requests in the window now.
    pub used: u32,
    /// The time until the window has more capacity than now: until a fixed window ends, until the
    /// oldest request leaves a moving one, or, beyond the limit, until one more request fits. Zero
    /// if a moving window is empty.
    pub reset: Duration,
}

/// The decision on a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaDecision {
    /// True if the request is within every limit.
    pub allowed: bool,
    /// The state of each limit, in the order of the rule.
    pub windows: Vec<QuotaWindow>,
    /// True if all processes count together.
    pub shared: bool,
}

impl QuotaClass {
    /// Every class.
    pub const ALL: [Self; 5] = [
        Self::Message,
        Self::Read,
        Self::Consume,
        Self::Delete,
        Self::Default,
    ];

    /// The name in headers, keys and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Read => "read",
            Self::Consume => "consume",
            Self::Delete => "delete",
            Self::Default => "default",
        }
    }
}

/// `message`, `read` or `default-ROUTE`.
impl fmt::Display for QuotaScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.class.as_str())?;
        if self.route.is_empty() {
            return Ok(());
        }
        write!(f, "-{}", self.route)
    }
}

impl QuotaWindow {
    /// The number of requests that still fit now.
    pub fn remaining(&self) -> u32 {
        self.quota.count().saturating_sub(self.used)
    }
}

impl QuotaDecision {
    /// The window that restricts the client the most: the one with the least capacity, of several the
    /// one that takes longest to get more.
    pub fn tightest(&self) -> Option<&QuotaWindow> {
        self.windows
            .iter()
            .min_by_key(|window| (window.remaining(), std::cmp::Reverse(window.reset)))
    }

    /// The time until a request is allowed again; zero if one is allowed now.
    pub fn retry_after(&self) -> Duration {
        self.retry_after_for(1)
    }

    /// The time until there is more capacity for `count` requests; zero if they are allowed now. In
    /// moving windows there may not be enough by then.
    pub fn retry_after_for(&self, count: u32) -> Duration {
        let windows = self.windows.iter();
        let short = windows.filter(|window| window.remaining() < count);
        short.map(|window| window.reset).max().unwrap_or_default()
    }
}
