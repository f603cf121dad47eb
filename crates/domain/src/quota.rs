//! Quotas: the limits on the requests of a client.

mod limit;
mod parse;

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use limit::MAX_LIMITS;
pub use limit::{Quota, QuotaUnit};
pub use parse::{QuotaExpected, QuotaParseError};

/// The limits of one rule: 1 to [`QuotaLimits::MAX_LENGTH`], no two over the same window. A request
/// is allowed if each limit allows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QuotaLimits(Vec<Quota>);

/// The position of a window in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum QuotaStrategy {
    /// Windows follow each other, aligned with the Unix epoch: a minute's begins with the minute.
    /// Around an edge, a client can make twice as many requests in one window's length.
    #[default]
    FixedWindow,
    /// The window ends now: no interval of the window's length contains more requests than the
    /// limit. Exact, at the cost of a log of all requests within the window.
    MovingWindow,
}

/// Limits, and the strategy of their windows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QuotaRule {
    limits: QuotaLimits,
    strategy: QuotaStrategy,
}

/// A moving window would have to log too many requests of each client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is too many for a moving window, which logs each request: at most {max}",
    max = QuotaRule::MAX_MOVING_COUNT
)]
pub struct QuotaRuleError(pub Quota);

/// The text is none of `fixed-window`, `moving-window`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("one of: fixed-window, moving-window")]
pub struct QuotaStrategyError;

impl QuotaLimits {
    /// The most limits of one rule.
    pub const MAX_LENGTH: usize = MAX_LIMITS;

    /// Parses the grammar `[count] per|/ [n] second|minute|hour|day|month|year`, several joined by
    /// `;`, `,` or `|`. `n` defaults to 1, the case of letters does not matter, and a unit may end
    /// with `s`. Of two limits over the same window only the smaller one is kept: the other would
    /// never decide.
    ///
    /// # Errors
    /// The first position that does not match, and the expectation there.
    pub fn parse(text: &str) -> Result<Self, QuotaParseError> {
        parse::parse(text).map(Self::of)
    }

    /// The limits, in the order of the text.
    pub fn as_slice(&self) -> &[Quota] {
        &self.0
    }

    /// An equal share of each limit, as [`Quota::share`].
    #[must_use]
    pub fn share(&self, shares: NonZeroU32) -> Self {
        Self(self.0.iter().map(|quota| quota.share(shares)).collect())
    }

    /// The smallest count of all limits.
    pub fn smallest_count(&self) -> u32 {
        self.0.iter().map(Quota::count).min().unwrap_or_default()
    }

    /// The limits of 1 to [`QuotaLimits::MAX_LENGTH`] quotas.
    fn of(quotas: Vec<Quota>) -> Self {
        let mut kept: Vec<Quota> = Vec::with_capacity(quotas.len());
        for quota in quotas {
            let same = |other: &&mut Quota| other.window_seconds() == quota.window_seconds();
            match kept.iter_mut().find(same) {
                Some(other) if other.count() > quota.count() => *other = quota,
                Some(_) => {}
                None => kept.push(quota),
            }
        }
        Self(kept)
    }
}

impl FromStr for QuotaLimits {
    type Err = QuotaParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for QuotaLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, quota) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { ";" };
            write!(f, "{separator}{quota}")?;
        }
        Ok(())
    }
}

impl QuotaStrategy {
    /// The name in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FixedWindow => "fixed-window",
            Self::MovingWindow => "moving-window",
        }
    }
}

impl FromStr for QuotaStrategy {
    type Err = QuotaStrategyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::FixedWindow, Self::MovingWindow]
            .into_iter()
            .find(|strategy| strategy.as_str() == text)
            .ok_or(QuotaStrategyError)
    }
}

impl QuotaRule {
    /// The most requests of one limit of a moving window.
    pub const MAX_MOVING_COUNT: u32 = 10_000;

    /// `limits` with windows of `strategy`.
    pub fn new(limits: QuotaLimits, strategy: QuotaStrategy) -> Result<Self, QuotaRuleError> {
        let too_many = |quota: &&Quota| quota.count() > Self::MAX_MOVING_COUNT;
        match limits.as_slice().iter().find(too_many) {
            Some(quota) if strategy == QuotaStrategy::MovingWindow => Err(QuotaRuleError(*quota)),
            _ => Ok(Self { limits, strategy }),
        }
    }

    /// The limits; at least one.
    pub fn limits(&self) -> &[Quota] {
        self.limits.as_slice()
    }

    /// The strategy of their windows.
    pub const fn strategy(&self) -> QuotaStrategy {
        self.strategy
    }

    /// The rule with an equal share of each limit, as [`Quota::share`].
    #[must_use]
    pub fn share(&self, shares: NonZeroU32) -> Self {
        Self {
            limits: self.limits.share(shares),
            strategy: self.strategy,
        }
    }
}

#[cfg(test)]
mod tests;
