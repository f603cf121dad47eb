//! The figures that the bench measures, and their medians.

use std::time::Duration;

/// The figures of one case in one round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    /// Requests a second.
    pub(super) rate: f64,
    /// Milliseconds.
    pub(super) p50: f64,
    /// Milliseconds.
    pub(super) p99: f64,
    /// The server's CPU time for each request, in microseconds.
    pub(super) processor_micros: f64,
    /// Requests without a successful response.
    pub(super) failed: f64,
}

/// The start of a server and its memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) ready: Duration,
    /// MiB resident before the first request.
    pub(super) idle: f64,
    /// MiB resident after the load.
    pub(super) loaded: f64,
}

/// The figures of one round.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) start: Start,
    /// In the order of the cases, the paced one last.
    pub(super) figures: Vec<Figures>,
}

/// The middle value, or the mean of the two middle ones; NaN for an empty list.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle).copied().unwrap_or(f64::NAN);
    match values.get(middle.wrapping_sub(1)) {
        Some(lower) if values.len().is_multiple_of(2) => lower.midpoint(upper),
        _ => upper,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        let check = |values: &[f64], expected: f64| {
            assert!(
                (median(values.to_vec()) - expected).abs() < 1e-9,
                "{values:?}"
            );
        };
        check(&[3.0, 1.0, 2.0], 2.0);
        check(&[4.0, 1.0, 3.0, 2.0], 2.5);
        check(&[7.0], 7.0);
        assert!(median(Vec::new()).is_nan());
    }
}
