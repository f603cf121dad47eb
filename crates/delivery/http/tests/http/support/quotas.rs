//! The limits of a server under test.

use std::sync::Arc;

use posthorn_application::{RateLimiter, RateLimiterSettings};
use posthorn_domain::QuotaStrategy;
use posthorn_testkit::{FakeQuotaCounter, quota_contract};

/// The limits in the grammar of the configuration; by default the built-in ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quotas {
    pub(crate) message: &'static str,
    pub(crate) read: &'static str,
    pub(crate) delete: &'static str,
    pub(crate) default: &'static str,
    pub(crate) strategy: QuotaStrategy,
    pub(crate) exempt: &'static [&'static str],
    /// True if the processes are configured to count together; the fake never does.
    pub(crate) counts_alone: bool,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            message: "10 per minute",
            read: "600 per minute",
            delete: "600 per minute",
            default: "200 per day;50 per hour",
            strategy: QuotaStrategy::FixedWindow,
            exempt: &[],
            counts_alone: false,
        }
    }
}

impl Quotas {
    pub(crate) fn rate_limiter(self, counter: Arc<FakeQuotaCounter>) -> RateLimiter {
        let rule = |text| quota_contract::rule(text, self.strategy);
        let exempt = self.exempt.iter().map(|range| range.parse().unwrap());
        let settings = RateLimiterSettings {
            message: rule(self.message),
            read: rule(self.read),
            consume: rule("6000 per minute"),
            delete: rule(self.delete),
            default: rule(self.default),
            exempt: exempt.collect(),
            shared: self.counts_alone,
        };
        RateLimiter::new(counter, settings)
    }
}
