//! How many requests a client may make, and in which time.

mod parse;

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

pub use parse::{QuotaExpected, QuotaParseError};

/// A unit of time, as the grammar of `limits` has them
/// (<https://limits.readthedocs.io/en/stable/quickstart.html#rate-limit-string-notation>): a month
/// is 30 days and a year 12 of these months.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QuotaUnit {
    /// A second.
    Second,
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours.
    Day,
    /// 30 days.
    Month,
    /// 360 days.
    Year,
}

/// One limit: so many requests in one window of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    count: NonZeroU32,
    multiple: NonZeroU32,
    unit: QuotaUnit,
}

/// The limits that hold together: 1 to [`QuotaLimits::MAX_LENGTH`] of them, no two over the same
/// window. A request is within them when it is within each.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QuotaLimits(Vec<Quota>);

/// How a window lies in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum QuotaStrategy {
    /// Windows follow each other, aligned with the Unix epoch: a minute's begins with the minute.
    /// Around an edge a client may make twice as many requests in one window's length.
    #[default]
    FixedWindow,
    /// The window ends now: any stretch of time as long as the window holds no more requests than
    /// the limit says. Exact, and so every request within the window is remembered.
    MovingWindow,
}

/// Limits and how their windows lie.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QuotaRule {
    limits: QuotaLimits,
    strategy: QuotaStrategy,
}

/// A moving window would have to remember too many requests of each client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is too many for a moving window, which remembers each request: at most {max}",
    max = QuotaRule::MAX_MOVING_COUNT
)]
pub struct QuotaRuleError(pub Quota);

/// The text is none of `fixed-window`, `moving-window`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("one of: fixed-window, moving-window")]
pub struct QuotaStrategyError;

impl QuotaUnit {
    /// Every unit, from the shortest to the longest.
    pub const ALL: [Self; 6] = [
        Self::Second,
        Self::Minute,
        Self::Hour,
        Self::Day,
        Self::Month,
        Self::Year,
    ];

    /// The name in the grammar, in the singular.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// Its length in seconds.
    pub const fn seconds(self) -> u32 {
        const DAY: u32 = 24 * 60 * 60;
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 60 * 60,
            Self::Day => DAY,
            Self::Month => 30 * DAY,
            Self::Year => 12 * 30 * DAY,
        }
    }
}

impl Quota {
    /// The most requests of one limit.
    pub const MAX_COUNT: u32 = 1_000_000_000;
    /// The longest window, in seconds: ten years.
    pub const MAX_WINDOW_SECONDS: u32 = 10 * QuotaUnit::Year.seconds();

    /// `count` requests in `multiple` units; `None` past [`Quota::MAX_COUNT`] or
    /// [`Quota::MAX_WINDOW_SECONDS`].
    pub fn new(count: NonZeroU32, multiple: NonZeroU32, unit: QuotaUnit) -> Option<Self> {
        let seconds = multiple.get().checked_mul(unit.seconds())?;
        let fits = count.get() <= Self::MAX_COUNT && seconds <= Self::MAX_WINDOW_SECONDS;
        fits.then_some(Self {
            count,
            multiple,
            unit,
        })
    }

    /// The most requests in the window; at least 1.
    pub const fn count(&self) -> u32 {
        self.count.get()
    }

    /// The window's length in whole seconds; at least 1.
    pub const fn window_seconds(&self) -> u32 {
        // The constructor has checked that it fits.
        self.multiple.get().saturating_mul(self.unit.seconds())
    }

    /// The window's length.
    pub const fn window(&self) -> Duration {
        Duration::from_secs(self.window_seconds() as u64)
    }

    /// The window in words that suit a name: `per-minute`, `per-5-minutes`.
    pub fn window_name(&self) -> String {
        match self.multiple.get() {
            1 => format!("per-{}", self.unit.as_str()),
            multiple => format!("per-{multiple}-{}s", self.unit.as_str()),
        }
    }

    /// An equal share of it for each of `shares`, rounded down so that all of them together stay
    /// within it; at least 1.
    #[must_use]
    pub fn share(&self, shares: NonZeroU32) -> Self {
        let count = NonZeroU32::new(self.count.get() / shares).unwrap_or(NonZeroU32::MIN);
        Self { count, ..*self }
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = self.unit.as_str();
        match self.multiple.get() {
            1 => write!(f, "{} per {unit}", self.count),
            multiple => write!(f, "{} per {multiple} {unit}s", self.count),
        }
    }
}

impl QuotaLimits {
    /// The most limits that hold together.
    pub const MAX_LENGTH: usize = 8;

    /// Reads the grammar `[count] per|/ [n] second|minute|hour|day|month|year`, several joined by
    /// `;`, `,` or `|`. `n` is 1 when it is left out; letters may be of either case, and a unit may
    /// have an `s`. Of two limits over the same window the smaller one is kept: the other one would
    /// never decide.
    ///
    /// # Errors
    /// The first place where the text is something else, and what was expected there.
    pub fn parse(text: &str) -> Result<Self, QuotaParseError> {
        parse::parse(text)
    }

    /// The limits, in the order of their text.
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

    /// The limits in `quotas`, which holds 1 to [`QuotaLimits::MAX_LENGTH`] of them.
    fn of(quotas: Vec<Quota>) -> Self {
        let mut kept: Vec<Quota> = Vec::with_capacity(quotas.len());
        for quota in quotas {
            let same = |other: &&mut Quota| other.window_seconds() == quota.window_seconds();
            match kept.iter_mut().find(same) {
                Some(other) if other.count > quota.count => *other = quota,
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

    /// `limits` with windows that lie as `strategy` says.
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

    /// How their windows lie.
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
