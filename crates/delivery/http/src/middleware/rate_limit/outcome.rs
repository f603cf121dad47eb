//! The outcome of rate limiting for one request, and the header fields that describe it.

use std::cell::RefCell;

use posthorn_application::{QuotaDecision, QuotaWindow, RateLimitDecision};
use posthorn_domain::{Quota, Timestamp};
use posthorn_http1::HeaderLines;

use crate::wire::problem::{ApiError, Exceeded};
use crate::wire::rate_limit_fields::{self as fields, Policies, Policy, Usage};
use crate::wire::time::whole_seconds;

/// The prefix of the names of the limits on invalid tokens.
const AUTH_FAILURES: &str = "auth-failures";

/// The decision on one request, with the prefix of its limits' names.
#[derive(Debug)]
pub(crate) struct RateLimitOutcome {
    prefix: &'static str,
    /// True if this process counts alone although the processes are configured to count together.
    degraded: bool,
    decision: QuotaDecision,
    /// The time of the request for the decision: resets are relative to it.
    at: Timestamp,
}

/// Adds the header fields that describe the limits of the request and their use.
pub(crate) fn push_fields(lines: &HeaderLines, outcome: &RateLimitOutcome) {
    let windows = &outcome.decision.windows;
    let tightest = outcome.decision.tightest();
    let tightest = tightest.and_then(|tightest| windows.iter().position(|w| w == tightest));
    let usages = windows.iter().map(|window| Usage {
        remaining: window.remaining(),
        reset: window.reset,
    });
    with_policies(outcome, |policies| {
        let tightest = tightest.unwrap_or_default();
        fields::push(lines, policies, usages, tightest, outcome.at);
    });
}

/// The prefix of the names, the degraded mark and the limits, with their texts.
type CachedPolicies = (&'static str, bool, Vec<Quota>, Policies);

/// Calls `use_policies` with the policies of `outcome`. There are few different ones: each thread
/// caches the latest.
fn with_policies(outcome: &RateLimitOutcome, use_policies: impl FnOnce(&Policies)) {
    const CAPACITY: usize = 16;
    thread_local! {
        static CACHE: RefCell<Vec<CachedPolicies>> = const { RefCell::new(Vec::new()) };
    }
    let windows = &outcome.decision.windows;
    CACHE.with_borrow_mut(|cache| {
        let is_same = |(prefix, degraded, quotas, _): &&CachedPolicies| {
            *prefix == outcome.prefix
                && *degraded == outcome.degraded
                && quotas.iter().eq(windows.iter().map(|window| &window.quota))
        };
        if let Some((.., policies)) = cache.iter().find(is_same) {
            return use_policies(policies);
        }
        let policies = windows.iter().map(|window| Policy {
            name: outcome.name(window),
            quota: window.quota.count(),
            window: window.quota.window_seconds(),
        });
        let policies = Policies::new(&policies.collect::<Vec<_>>());
        use_policies(&policies);
        let quotas = windows.iter().map(|window| window.quota).collect();
        if cache.len() == CAPACITY {
            cache.remove(0);
        }
        cache.push((outcome.prefix, outcome.degraded, quotas, policies));
    });
}

impl RateLimitOutcome {
    /// The outcome of a decision that was requested `at` this time.
    pub(crate) fn new(decision: RateLimitDecision, at: Timestamp) -> Self {
        Self {
            prefix: decision.class.as_str(),
            degraded: decision.degraded,
            decision: decision.decision,
            at,
        }
    }

    /// The outcome of the limit on invalid tokens.
    pub(crate) fn of_auth_failures(decision: QuotaDecision, at: Timestamp) -> Self {
        Self {
            prefix: AUTH_FAILURES,
            degraded: false,
            decision,
            at,
        }
    }

    /// Each limit with its use.
    pub(crate) fn windows(&self) -> &[QuotaWindow] {
        &self.decision.windows
    }

    /// True if this process counts alone although the processes are configured to count together.
    pub(crate) fn is_degraded(&self) -> bool {
        self.degraded
    }

    /// The name of a limit, as in `RateLimit-Policy`: prefix, window, and a mark if degraded.
    pub(crate) fn name(&self, window: &QuotaWindow) -> String {
        let mark = if self.degraded { "-degraded" } else { "" };
        format!("{}-{}{mark}", self.prefix, window.quota.window_name())
    }

    /// The time at which the window allows more requests.
    pub(crate) fn resets_at(&self, window: &QuotaWindow) -> Timestamp {
        fields::resets_at(self.at, window.reset)
    }

    /// True if the request fits every limit.
    pub(super) fn is_allowed(&self) -> bool {
        self.decision.allowed
    }

    /// The error of a request that exceeds a limit.
    pub(super) fn error(&self) -> Option<ApiError> {
        (!self.decision.allowed).then(|| self.exceeded(1))
    }

    /// The error of `count` requests that do not all fit.
    pub(crate) fn exceeded(&self, count: u32) -> ApiError {
        let tightest = self.decision.tightest();
        let full = self
            .windows()
            .iter()
            .filter(|window| window.remaining() < count);
        ApiError::rate_limited(Exceeded {
            violated: full.map(|window| self.name(window)).collect(),
            policy: tightest.map_or_else(String::new, |window| self.name(window)),
            limit: tightest.map_or_else(String::new, |window| window.quota.to_string()),
            seconds: whole_seconds(self.decision.retry_after_for(count)).max(1),
        })
    }
}
