//! Counts what clients did, as a port.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use posthorn_domain::{Client, Quota, QuotaRule};

use super::backend_error::BackendError;

/// Counts requests of clients against limits, and decides.
///
/// # Contract
/// - `hit` MUST decide all limits of the rule in one atomic step: the request is allowed when every
///   window has room, and then counts in each; a denied request MUST NOT count anywhere.
/// - Under any schedule of calls, a window MUST NOT hold more allowed requests of one key than its
///   limit says: one window of the clock for `FixedWindow`, any stretch of time as long as the
///   window for `MovingWindow`. A fixed window begins at a multiple of its length since the Unix
///   epoch. A request at the very end of a window belongs to the next one.
/// - Keys MUST NOT influence each other, and neither may the windows of one key. The same key with
///   another count for a window goes on from what that window holds.
/// - `peek` MUST change nothing that a later call can see.
/// - What is counted MUST be forgotten once it cannot influence a decision any more, and the memory
///   in use MUST be bounded. A counter that has to forget sooner says in its documentation what.
/// - Every operation MUST end within a bound that the adapter's configuration names, and MUST be
///   safe to drop at any await.
///
/// # Errors
/// Every operation MUST report an unreachable, slow or restarting back end as
/// [`BackendError::Unavailable`] and everything that would fail again as [`BackendError::Failed`].
#[async_trait]
pub trait QuotaCounter: Send + Sync {
    /// Counts one request of `key` if it is within `rule`.
    async fn hit(&self, key: &QuotaKey, rule: &QuotaRule) -> Result<QuotaDecision, BackendError>;

    /// What `hit` would find, without counting; `allowed` says whether it would be allowed.
    async fn peek(&self, key: &QuotaKey, rule: &QuotaRule) -> Result<QuotaDecision, BackendError>;
}

/// Which kind of request is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QuotaClass {
    /// Accepting messages.
    Message,
    /// Reading topics, messages and streams.
    Read,
    /// Everything else, each route for itself.
    Default,
}

/// What requests are counted together for one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QuotaScope {
    /// The kind.
    pub class: QuotaClass,
    /// Which route of a class whose routes are counted apart; empty for the other classes. Of ASCII
    /// letters, digits and `-`.
    pub route: &'static str,
}

/// What is counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QuotaKey {
    /// Who.
    pub client: Client,
    /// What.
    pub scope: QuotaScope,
}

/// What one window holds after a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaWindow {
    /// The limit.
    pub quota: Quota,
    /// How many requests count in the window now.
    pub used: u32,
    /// How long until the window has more room than now: until a fixed window ends, until the
    /// oldest request leaves a moving one, or, when that does not help yet, until one more request
    /// fits. Zero when a moving window is empty.
    pub reset: Duration,
}

/// The outcome of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaDecision {
    /// Whether the request is within every limit.
    pub allowed: bool,
    /// Each limit of the rule, in its order.
    pub windows: Vec<QuotaWindow>,
    /// Whether all processes count together.
    pub shared: bool,
}

impl QuotaClass {
    /// Every class.
    pub const ALL: [Self; 3] = [Self::Message, Self::Read, Self::Default];

    /// The name in headers, keys and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Read => "read",
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
    /// How many more requests fit now.
    pub fn remaining(&self) -> u32 {
        self.quota.count().saturating_sub(self.used)
    }
}

impl QuotaDecision {
    /// The window that says the most about what the client may do next: the one with the least
    /// room, of several the one that takes longest to get more.
    pub fn tightest(&self) -> Option<&QuotaWindow> {
        self.windows
            .iter()
            .min_by_key(|window| (window.remaining(), std::cmp::Reverse(window.reset)))
    }

    /// How long until a request is allowed again; zero when one is allowed now.
    pub fn retry_after(&self) -> Duration {
        let full = self.windows.iter().filter(|window| window.remaining() == 0);
        full.map(|window| window.reset).max().unwrap_or_default()
    }
}
