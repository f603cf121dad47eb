//! Medians of the rounds, as a table, and beside what is asked of them.

use std::time::Duration;

use super::{BARE, MESSAGE, Round, UNLIMITED};

/// What is asked: the share of the bare handler's throughput, milliseconds, MiB and milliseconds.
const LEAST_SHARE: f64 = 0.60;
/// The share of the throughput without quotas.
const LEAST_LIMITED: f64 = 0.95;
const MOST_P99: f64 = 3.0;
const MOST_IDLE: f64 = 20.0;
const MOST_READY: f64 = 100.0;

/// What one case found in one round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    /// Requests a second.
    pub(super) rate: f64,
    /// Milliseconds.
    pub(super) p50: f64,
    /// Milliseconds.
    pub(super) p99: f64,
    /// The server's processor time for each request, in microseconds.
    pub(super) processor_micros: f64,
    /// Requests without a good answer.
    pub(super) failed: f64,
}

/// How the server started, and what it held.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) ready: Duration,
    /// MiB resident before the first request.
    pub(super) idle: f64,
    /// MiB resident after the load.
    pub(super) loaded: f64,
}

/// Prints everything; fails if a request failed.
pub(super) fn print(names: &[&str], rounds: &[Round]) -> Result<(), String> {
    println!(
        "{:26} {:>11} {:>8} {:>8} {:>15} {:>7}",
        "", "requests/s", "p50 ms", "p99 ms", "CPU us/request", "failed"
    );
    let mut failed = 0.0;
    for (case, name) in names.iter().enumerate() {
        let of = |figure: fn(&Figures) -> f64| median_of(rounds, case, figure);
        let failures: f64 = each(rounds, case, |figures| figures.failed).sum();
        println!(
            "{name:26} {:>11.0} {:>8.2} {:>8.2} {:>15.1} {failures:>7.0}",
            of(|figures| figures.rate),
            of(|figures| figures.p50),
            of(|figures| figures.p99),
            of(|figures| figures.processor_micros),
        );
        failed += failures;
    }
    println!();
    print_targets(names, rounds);
    if failed > 0.0 {
        return Err(format!("{failed} requests failed"));
    }
    Ok(())
}

fn print_targets(names: &[&str], rounds: &[Round]) {
    let share_of = |other: usize| {
        let share =
            |round: &Round| Some(round.figures.get(MESSAGE)?.rate / round.figures.get(other)?.rate);
        median(rounds.iter().filter_map(share).collect())
    };
    let (share, limited) = (share_of(BARE), share_of(UNLIMITED));
    let mark = |met: bool| if met { "met" } else { "MISSED" };
    println!(
        "throughput beside bare {:>8.0} %    at least {:.0} %: {}",
        share * 100.0,
        LEAST_SHARE * 100.0,
        mark(share >= LEAST_SHARE)
    );
    println!(
        "with quotas beside without {:>4.0} %    at least {:.0} %: {}",
        limited * 100.0,
        LEAST_LIMITED * 100.0,
        mark(limited >= LEAST_LIMITED)
    );
    let dearer = rounds.iter().filter_map(|round| {
        let bare = round.figures.get(BARE)?.processor_micros;
        Some(round.figures.get(MESSAGE)?.processor_micros / bare)
    });
    println!(
        "processor time beside bare {:>4.1} times",
        median(dearer.collect())
    );
    let half = median_of(rounds, names.len() - 1, |figures| figures.p99);
    let starts = |figure: fn(&Start) -> f64| {
        median(rounds.iter().map(|round| figure(&round.start)).collect())
    };
    let ready = starts(|start| start.ready.as_secs_f64() * 1e3);
    let idle = starts(|start| start.idle);
    let rows = [
        ("p99 at half of the load", half, "ms ", MOST_P99),
        ("resident when idle", idle, "MiB", MOST_IDLE),
        ("ready after its start", ready, "ms ", MOST_READY),
    ];
    for (name, value, unit, most) in rows {
        println!(
            "{name:23} {value:>7.1} {unit}  under {most} {}: {}",
            unit.trim(),
            mark(value < most)
        );
    }
    println!(
        "{:23} {:>7.1} MiB",
        "resident after the load",
        starts(|start| start.loaded)
    );
}

/// The median of a case's rates.
pub(super) fn median_rate(rounds: &[Round], case: usize) -> f64 {
    median_of(rounds, case, |figures| figures.rate)
}

fn each(rounds: &[Round], case: usize, figure: fn(&Figures) -> f64) -> impl Iterator<Item = f64> {
    rounds
        .iter()
        .filter_map(move |round| round.figures.get(case).map(figure))
}

fn median_of(rounds: &[Round], case: usize, figure: fn(&Figures) -> f64) -> f64 {
    median(each(rounds, case, figure).collect())
}

/// The middle value, of an even number the mean of the two; not a number when there is none.
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

    fn round(failed: f64) -> Round {
        let figures = Figures {
            rate: 10.0,
            p50: 1.0,
            p99: 2.0,
            processor_micros: 3.0,
            failed,
        };
        let start = Start {
            ready: Duration::from_millis(5),
            idle: 10.0,
            loaded: 20.0,
        };
        Round {
            start,
            figures: vec![figures; 6],
        }
    }

    #[test]
    fn a_failed_request_fails_the_bench() {
        let names = ["a", "b", "c", "d", "e", "f"];
        assert_eq!(print(&names, &[round(0.0), round(0.0)]), Ok(()));
        assert_eq!(
            print(&names, &[round(0.0), round(2.0)]),
            Err("12 requests failed".to_owned())
        );
    }

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
