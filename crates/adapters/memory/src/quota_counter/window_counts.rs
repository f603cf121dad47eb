//! The counts of one key in its windows. Times are in nanoseconds since the Unix epoch.

use std::collections::VecDeque;
use std::time::Duration;

use posthorn_application::{QuotaDecision, QuotaWindow};
use posthorn_domain::{Quota, QuotaRule, QuotaStrategy};

/// The capacity of a log is at most this many times its length.
const MAX_SPARE: usize = 4;
/// A log of this length or less keeps its capacity.
const MIN_CAPACITY: usize = 8;

/// The counts of one key.
#[derive(Debug)]
pub(super) enum WindowCounts {
    /// The last used window of each length.
    Fixed(Vec<FixedWindow>),
    /// The times of the allowed requests within the longest window, oldest first.
    Moving(VecDeque<u64>),
}

/// The count of one fixed window.
#[derive(Debug)]
pub(super) struct FixedWindow {
    length: u64,
    begin: u64,
    used: u32,
}

impl WindowCounts {
    /// No requests yet.
    pub(super) fn new(rule: &QuotaRule) -> Self {
        match rule.strategy() {
            QuotaStrategy::FixedWindow => Self::Fixed(Vec::with_capacity(rule.limits().len())),
            QuotaStrategy::MovingWindow => Self::Moving(VecDeque::new()),
        }
    }

    /// True if these counts are of the strategy of `rule`.
    pub(super) fn matches(&self, rule: &QuotaRule) -> bool {
        match self {
            Self::Fixed(_) => rule.strategy() == QuotaStrategy::FixedWindow,
            Self::Moving(_) => rule.strategy() == QuotaStrategy::MovingWindow,
        }
    }

    /// The decision on `count` requests at `now`, without counting them.
    pub(super) fn decide(&self, rule: &QuotaRule, now: u64, count: u32) -> QuotaDecision {
        let window = |quota: &Quota| match self {
            Self::Fixed(windows) => fixed(windows, *quota, now),
            Self::Moving(log) => moving(log, *quota, now),
        };
        let windows: Vec<_> = rule.limits().iter().map(window).collect();
        QuotaDecision {
            allowed: windows.iter().all(|window| window.remaining() >= count),
            windows,
            shared: false,
        }
    }

    /// Counts `count` allowed requests at `now` and updates their `decision`.
    pub(super) fn count(&mut self, decision: &mut QuotaDecision, now: u64, count: u32) {
        match self {
            Self::Fixed(windows) => {
                for window in &decision.windows {
                    count_fixed(windows, window, now, count);
                }
            }
            Self::Moving(log) => {
                let windows = decision.windows.iter();
                let longest = windows.map(|window| length(window.quota)).max();
                let left = left(log, longest.unwrap_or_default(), now);
                log.drain(..left);
                log.extend((0..count).map(|_| now));
                // Frees the capacity of a past burst, so that the bound on logged requests bounds
                // the memory. Only at a quarter of use: shrinking copies the log.
                if log.capacity() > MAX_SPARE * log.len().max(MIN_CAPACITY) {
                    log.shrink_to(2 * log.len());
                }
            }
        }
        for window in &mut decision.windows {
            // The window was empty: it has more capacity again when this request leaves it.
            if window.reset.is_zero() {
                window.reset = window.quota.window();
            }
            window.used = window.used.saturating_add(count);
        }
    }

    /// The time from which these counts affect no decision.
    pub(super) fn end(&self, rule: &QuotaRule) -> u64 {
        match self {
            Self::Fixed(windows) => {
                let ends = windows
                    .iter()
                    .map(|window| window.begin.saturating_add(window.length));
                ends.max().unwrap_or_default()
            }
            Self::Moving(log) => {
                let longest = rule.limits().iter().map(|quota| length(*quota)).max();
                let newest = log.back().copied().unwrap_or_default();
                newest.saturating_add(longest.unwrap_or_default())
            }
        }
    }

    /// The length of the log of requests.
    pub(super) fn logged(&self) -> usize {
        match self {
            Self::Fixed(_) => 0,
            Self::Moving(log) => log.len(),
        }
    }
}

fn fixed(windows: &[FixedWindow], quota: Quota, now: u64) -> QuotaWindow {
    let length = length(quota);
    let begin = now - now % length;
    let current = |window: &&FixedWindow| window.length == length && window.begin == begin;
    QuotaWindow {
        quota,
        used: windows.iter().find(current).map_or(0, |window| window.used),
        reset: Duration::from_nanos((begin + length).saturating_sub(now)),
    }
}

fn count_fixed(windows: &mut Vec<FixedWindow>, decided: &QuotaWindow, now: u64, count: u32) {
    let length = length(decided.quota);
    let current = FixedWindow {
        length,
        begin: now - now % length,
        used: decided.used.saturating_add(count),
    };
    match windows.iter_mut().find(|window| window.length == length) {
        Some(window) => *window = current,
        None => windows.push(current),
    }
}

fn moving(log: &VecDeque<u64>, quota: Quota, now: u64) -> QuotaWindow {
    let length = length(quota);
    let left = left(log, length, now);
    let used = log.len() - left;
    let count = usize::try_from(quota.count()).unwrap_or(usize::MAX);
    // Below the limit, the oldest request leaves next. Above it, all but `count - 1` have to leave.
    let next = left + used.saturating_sub(count);
    let reset = match log.get(next) {
        Some(at) => at.saturating_add(length).saturating_sub(now),
        None => 0,
    };
    QuotaWindow {
        quota,
        used: u32::try_from(used).unwrap_or(u32::MAX),
        reset: Duration::from_nanos(reset),
    }
}

/// The number of requests that have left a window of `length`: they are as old as that.
fn left(log: &VecDeque<u64>, length: u64, now: u64) -> usize {
    log.partition_point(|at| at.saturating_add(length) <= now)
}

/// The length of a window in nanoseconds; at least 1.
fn length(quota: Quota) -> u64 {
    u64::from(quota.window_seconds()) * 1_000_000_000
}

#[cfg(test)]
mod tests {
    use posthorn_testkit::quota_contract::rule;

    use super::*;

    #[test]
    fn the_capacity_of_the_log_shrinks_with_its_length() {
        let rule = rule("1000 per minute", QuotaStrategy::MovingWindow);
        let minute = length(rule.limits()[0]);
        let mut counts = WindowCounts::new(&rule);
        let mut hit = |now: u64| {
            let mut decision = counts.decide(&rule, now, 1);
            counts.count(&mut decision, now, 1);
            let WindowCounts::Moving(log) = &counts else {
                panic!("{counts:?}");
            };
            (log.len(), log.capacity())
        };
        for now in 0..1000 {
            let (len, capacity) = hit(now);
            assert!(
                capacity <= MAX_SPARE * len.max(MIN_CAPACITY),
                "{len} in {capacity}"
            );
        }
        // A few go at first, then nearly all.
        for (now, left) in [(100, 900), (800, 201), (998, 4), (5_000, 1)] {
            let (len, capacity) = hit(minute + now);
            assert!(len.abs_diff(left) <= 3, "{len} at {now}");
            assert!(
                capacity <= MAX_SPARE * len.max(MIN_CAPACITY),
                "{len} in {capacity}"
            );
        }
    }
}
