//! One limit: a number of requests in a window of time.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// The most limits of one rule.
pub(super) const MAX_LIMITS: usize = 8;

/// A unit of time of the grammar of `limits`
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

/// A number of requests in one window of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    count: NonZeroU32,
    multiple: NonZeroU32,
    unit: QuotaUnit,
}

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

    /// The length in seconds.
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
        // The constructor checked that this does not overflow.
        self.multiple.get().saturating_mul(self.unit.seconds())
    }

    /// The window's length.
    pub const fn window(&self) -> Duration {
        Duration::from_secs(self.window_seconds() as u64)
    }

    /// The name of the window: `per-minute`, `per-5-minutes`.
    pub fn window_name(&self) -> String {
        match self.multiple.get() {
            1 => format!("per-{}", self.unit.as_str()),
            multiple => format!("per-{multiple}-{}s", self.unit.as_str()),
        }
    }

    /// An equal share for each of `shares`, rounded down so that the sum stays within the limit; at
    /// least 1.
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
