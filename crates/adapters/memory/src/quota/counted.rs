//! What one key has used of its windows. Times are in nanoseconds since the Unix epoch.

use std::collections::VecDeque;
use std::time::Duration;

use posthorn_application::{QuotaDecision, QuotaWindow};
use posthorn_domain::{Quota, QuotaRule, QuotaStrategy};

/// The room for remembered requests is this many times what is needed at most.
const MOST_SPARE: usize = 4;
/// For so few the room does not matter.
const FEW: usize = 8;

/// What one key has used.
#[derive(Debug)]
pub(super) enum Counted {
    /// Of each fixed window the one that was used last.
    Fixed(Vec<Fixed>),
    /// When each request was allowed that the longest window still holds, the oldest first.
    Moving(VecDeque<u64>),
}

/// The use of one fixed window.
#[derive(Debug)]
pub(super) struct Fixed {
    /// Its length.
    length: u64,
    /// When it began.
    begin: u64,
    used: u32,
}

impl Counted {
    /// Nothing yet.
    pub(super) fn new(rule: &QuotaRule) -> Self {
        match rule.strategy() {
            QuotaStrategy::FixedWindow => Self::Fixed(Vec::with_capacity(rule.limits().len())),
            QuotaStrategy::MovingWindow => Self::Moving(VecDeque::new()),
        }
    }

    /// Whether it counts as `rule` says.
    pub(super) fn suits(&self, rule: &QuotaRule) -> bool {
        match self {
            Self::Fixed(_) => rule.strategy() == QuotaStrategy::FixedWindow,
            Self::Moving(_) => rule.strategy() == QuotaStrategy::MovingWindow,
        }
    }

    /// The state of the windows at `now`; nothing changes.
    pub(super) fn look(&self, rule: &QuotaRule, now: u64) -> QuotaDecision {
        let window = |quota: &Quota| match self {
            Self::Fixed(windows) => fixed(windows, *quota, now),
            Self::Moving(log) => moving(log, *quota, now),
        };
        decision(rule.limits().iter().map(window).collect())
    }

    /// Counts a request at `now` that is allowed, and brings `decision` up to date.
    pub(super) fn count(&mut self, decision: &mut QuotaDecision, now: u64) {
        match self {
            Self::Fixed(windows) => {
                for window in &decision.windows {
                    count_fixed(windows, window, now);
                }
            }
            Self::Moving(log) => {
                let windows = decision.windows.iter();
                let longest = windows.map(|window| length(window.quota)).max();
                let left = left(log, longest.unwrap_or_default(), now);
                log.drain(..left);
                log.push_back(now);
                // What a busy time needed is given back, or what is remembered would say little
                // of the memory in use. Not at once: it costs a copy.
                if log.capacity() > MOST_SPARE * log.len().max(FEW) {
                    log.shrink_to(2 * log.len());
                }
            }
        }
        for window in &mut decision.windows {
            // Nothing was in the window, so it has more room again when this one leaves.
            if window.reset.is_zero() {
                window.reset = window.quota.window();
            }
            window.used = window.used.saturating_add(1);
        }
    }

    /// When it will not influence any decision any more.
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

    /// How many requests it remembers one by one.
    pub(super) fn remembered(&self) -> usize {
        match self {
            Self::Fixed(_) => 0,
            Self::Moving(log) => log.len(),
        }
    }
}

/// What a key has that nothing is known of.
pub(super) fn unused(rule: &QuotaRule, now: u64) -> QuotaDecision {
    Counted::new(rule).look(rule, now)
}

fn decision(windows: Vec<QuotaWindow>) -> QuotaDecision {
    QuotaDecision {
        allowed: windows.iter().all(|window| window.remaining() > 0),
        windows,
        shared: false,
    }
}

fn fixed(windows: &[Fixed], quota: Quota, now: u64) -> QuotaWindow {
    let length = length(quota);
    let begin = now - now % length;
    let current = |window: &&Fixed| window.length == length && window.begin == begin;
    QuotaWindow {
        quota,
        used: windows.iter().find(current).map_or(0, |window| window.used),
        reset: Duration::from_nanos((begin + length).saturating_sub(now)),
    }
}

fn count_fixed(windows: &mut Vec<Fixed>, decided: &QuotaWindow, now: u64) {
    let length = length(decided.quota);
    let current = Fixed {
        length,
        begin: now - now % length,
        used: decided.used.saturating_add(1),
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
    // With fewer requests than the limit the oldest leaves next; else all but `count - 1` have to.
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

/// How many requests have left a window of `length`: those that are as old as that.
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
    fn the_room_for_requests_shrinks_with_their_number() {
        let rule = rule("1000 per minute", QuotaStrategy::MovingWindow);
        let minute = length(rule.limits()[0]);
        let mut counted = Counted::new(&rule);
        let mut hit = |now: u64| {
            let mut decision = counted.look(&rule, now);
            counted.count(&mut decision, now);
            let Counted::Moving(log) = &counted else {
                panic!("{counted:?}");
            };
            (log.len(), log.capacity())
        };
        for now in 0..1000 {
            let (len, room) = hit(now);
            assert!(room <= MOST_SPARE * len.max(FEW), "{len} in {room}");
        }
        // A few go at first, then nearly all.
        for (now, left) in [(100, 900), (800, 201), (998, 4), (5_000, 1)] {
            let (len, room) = hit(minute + now);
            assert!(len.abs_diff(left) <= 3, "{len} at {now}");
            assert!(room <= MOST_SPARE * len.max(FEW), "{len} in {room}");
        }
    }
}
