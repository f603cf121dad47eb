//! The rate limiter: checks each request against the quotas of its client.

use std::net::IpAddr;
use std::sync::Arc;

use posthorn_domain::{AddressRange, Client, QuotaRule};

use crate::ports::backend_error::BackendError;
use crate::ports::quota_counter::{QuotaClass, QuotaCounter, QuotaDecision, QuotaKey, QuotaScope};

/// The limits of each class of requests, and the clients without limits.
#[derive(Clone, Debug)]
pub struct RateLimiterSettings {
    /// Limits on sending messages.
    pub message: QuotaRule,
    /// Limits on reading topics, messages and streams.
    pub read: QuotaRule,
    /// Limits on the calls of consumers.
    pub consume: QuotaRule,
    /// Limits on deleting messages.
    pub delete: QuotaRule,
    /// Limits on each other route.
    pub default: QuotaRule,
    /// Clients at these addresses have no limits.
    pub exempt: Vec<AddressRange>,
    /// True if all processes are configured to share one counter.
    pub shared: bool,
}

/// The sender of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller<'a> {
    /// The client's address, after the trusted proxies.
    pub address: IpAddr,
    /// The subject of the verified token.
    pub subject: Option<&'a str>,
}

/// The decision about one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimitDecision {
    /// The limits and their use.
    pub decision: QuotaDecision,
    /// The class of requests that the limits apply to.
    pub class: QuotaClass,
    /// True if this process counts alone although the processes are configured to count together.
    pub degraded: bool,
}

/// Checks requests against the quotas of their clients.
pub struct RateLimiter {
    counter: Arc<dyn QuotaCounter>,
    settings: RateLimiterSettings,
}

impl Caller<'_> {
    /// The client that the request counts for: the subject if there is one, else the network.
    pub fn client(&self) -> Client {
        match self.subject {
            Some(subject) => Client::of_subject(subject),
            None => Client::at(self.address),
        }
    }
}

impl RateLimiter {
    /// A rate limiter that counts with `counter`.
    pub fn new(counter: Arc<dyn QuotaCounter>, settings: RateLimiterSettings) -> Self {
        Self { counter, settings }
    }

    /// Counts one request in `scope`; `None` when the caller has no limits.
    pub async fn check(
        &self,
        scope: QuotaScope,
        caller: Caller<'_>,
    ) -> Result<Option<RateLimitDecision>, BackendError> {
        self.decide(scope, caller, Some(1)).await
    }

    /// Counts `count` requests in `scope`, all or none; `None` when the caller has no limits.
    pub async fn check_many(
        &self,
        scope: QuotaScope,
        caller: Caller<'_>,
        count: u32,
    ) -> Result<Option<RateLimitDecision>, BackendError> {
        self.decide(scope, caller, Some(count)).await
    }

    /// The caller's remaining quota in `scope`, without counting; `None` when it has no limits.
    pub async fn peek(
        &self,
        scope: QuotaScope,
        caller: Caller<'_>,
    ) -> Result<Option<RateLimitDecision>, BackendError> {
        self.decide(scope, caller, None).await
    }

    /// The limits of a class.
    pub fn rule(&self, class: QuotaClass) -> &QuotaRule {
        match class {
            QuotaClass::Message => &self.settings.message,
            QuotaClass::Read => &self.settings.read,
            QuotaClass::Consume => &self.settings.consume,
            QuotaClass::Delete => &self.settings.delete,
            QuotaClass::Default => &self.settings.default,
        }
    }

    /// True if clients at `address` have no limits.
    pub fn is_exempt(&self, address: IpAddr) -> bool {
        let mut ranges = self.settings.exempt.iter();
        ranges.any(|range| range.contains(address))
    }

    /// Counts `requests`; without them it only looks.
    async fn decide(
        &self,
        scope: QuotaScope,
        caller: Caller<'_>,
        requests: Option<u32>,
    ) -> Result<Option<RateLimitDecision>, BackendError> {
        if self.is_exempt(caller.address) {
            return Ok(None);
        }
        let client = caller.client();
        let (key, rule) = (QuotaKey { client, scope }, self.rule(scope.class));
        let decision = match requests {
            None => self.counter.peek(&key, rule).await?,
            Some(1) => self.counter.hit(&key, rule).await?,
            Some(count) => self.counter.hit_many(&key, rule, count).await?,
        };
        Ok(Some(RateLimitDecision {
            degraded: self.settings.shared && !decision.shared,
            class: scope.class,
            decision,
        }))
    }
}
