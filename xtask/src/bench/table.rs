//! Prints the medians of the rounds as a table, and beside their targets.

use super::cases::{BARE, MESSAGE, UNLIMITED};
use super::figures::{Figures, Round, Start, median};

/// The target: the least share of the bare handler's throughput.
const LEAST_SHARE: f64 = 0.60;
/// The least share of the throughput without quotas.
const LEAST_LIMITED: f64 = 0.95;
/// Milliseconds at half of the load.
const MOST_P99: f64 = 3.0;
/// MiB.
const MOST_IDLE: f64 = 20.0;
/// Milliseconds.
const MOST_READY: f64 = 100.0;

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
    let cpu = rounds.iter().filter_map(|round| {
        let bare = round.figures.get(BARE)?.processor_micros;
        Some(round.figures.get(MESSAGE)?.processor_micros / bare)
    });
    println!("CPU time beside bare {:>10.1} times", median(cpu.collect()));
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
}
