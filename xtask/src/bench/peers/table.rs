//! Prints the figures of the products as a table.

use super::accepts::Accepts;
use super::fan_out::Deliveries;
use super::products::{Description, PRODUCTS, Product};
use crate::bench::figures::median;

/// A product and its figures, one of each round; none if it cannot be measured, with the reason.
pub(super) type PeerRow<F> = (&'static Description, Result<Vec<F>, String>);

/// Prints the table of accepts; fails if a request failed.
pub(super) fn print_accepts(rows: &[PeerRow<Accepts>]) -> Result<(), String> {
    println!(
        "{:24} {:>10} {:>8} {:>9} {:>8} {:>8}   beside Posthorn's row",
        "", "accepts/s", "CPU us", "Redis us", "p50 ms", "p99 ms"
    );
    let mut failed = 0.0;
    for (description, figures) in rows {
        let name = description.name;
        match figures {
            Ok(figures) => {
                let of = |figure: fn(&Accepts) -> f64| median(figures.iter().map(figure).collect());
                println!(
                    "{name:24} {:>10.0} {} {} {} {}   {}",
                    of(|one| one.rate),
                    cell(of(|one| one.server_micros), 8, 1),
                    cell(of(|one| one.redis_micros), 9, 1),
                    cell(of(|one| one.p50), 8, 2),
                    cell(of(|one| one.p99), 8, 2),
                    beside(description, figures, rows),
                );
                failed += figures.iter().map(|one| one.failed).sum::<f64>();
            }
            Err(reason) => println!("{name:24} {reason}"),
        }
    }
    if failed > 0.0 {
        return Err(format!("{failed} requests failed"));
    }
    Ok(())
}

/// The ratios of a row to that of Posthorn it is compared with: medians of the ratios of each round.
fn beside(description: &Description, figures: &[Accepts], rows: &[PeerRow<Accepts>]) -> String {
    let ours = description.beside.and_then(|product| {
        let row = rows.iter().find(|(other, _)| other.product == product)?;
        Some((row.0.name, row.1.as_ref().ok()?))
    });
    let Some((name, ours)) = ours else {
        return String::new();
    };
    let ratio = |of: fn(&Accepts) -> f64| {
        let pairs = figures.iter().zip(ours);
        median(pairs.map(|(one, ours)| of(one) / of(ours)).collect())
    };
    format!(
        "{:.2} of its rate, {:.2} of its CPU ({name})",
        ratio(|one| one.rate),
        ratio(Accepts::all_micros),
    )
}

impl Accepts {
    /// The CPU time of the server and of its Redis.
    pub(super) fn all_micros(&self) -> f64 {
        // An absent part is NaN, which `max` passes over.
        self.server_micros.max(0.0) + self.redis_micros.max(0.0)
    }
}

impl Deliveries {
    /// The CPU time of the server and of its Redis.
    pub(super) fn all_micros(&self) -> f64 {
        self.server_micros.max(0.0) + self.redis_micros.max(0.0)
    }
}

/// Prints the table of the fan-out.
pub(super) fn print_deliveries(rows: &[PeerRow<Deliveries>]) {
    println!(
        "{:24} {:>12} {:>9} {:>9} {:>8} {:>8} {:>9}",
        "", "deliveries/s", "CPU us", "Redis us", "p50 ms", "p99 ms", "missing"
    );
    for (description, figures) in rows {
        let name = description.name;
        match figures {
            Ok(figures) => {
                let of =
                    |figure: fn(&Deliveries) -> f64| median(figures.iter().map(figure).collect());
                println!(
                    "{name:24} {:>12.0} {} {} {} {} {:>9.0}",
                    of(|one| one.rate),
                    cell(of(|one| one.server_micros), 9, 2),
                    cell(of(|one| one.redis_micros), 9, 2),
                    cell(of(|one| one.p50), 8, 2),
                    cell(of(|one| one.p99), 8, 2),
                    figures.iter().map(|one| one.missing).sum::<f64>(),
                );
            }
            Err(reason) => println!("{name:24} {reason}"),
        }
    }
}

/// Prints for each product what its acknowledgement means, and its version.
pub(super) fn print_meanings() {
    println!();
    for description in &PRODUCTS {
        let version = match description.product {
            Product::Bare | Product::Memory | Product::Embedded => "of this workspace".to_owned(),
            Product::Redis => "of this workspace, with the Redis below".to_owned(),
            _ if !description.is_installed() => "not installed".to_owned(),
            _ => description
                .version()
                .unwrap_or_else(|| "prints no version".to_owned()),
        };
        println!(
            "{}: acknowledges {}; {version}",
            description.name, description.acknowledged
        );
    }
}

/// A figure in a column, or a dash for what was not measured.
fn cell(value: f64, width: usize, digits: usize) -> String {
    if value.is_nan() {
        format!("{:>width$}", "-")
    } else {
        format!("{value:>width$.digits$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(rate: f64, failed: f64) -> Accepts {
        Accepts {
            rate,
            server_micros: 20.0,
            redis_micros: f64::NAN,
            p50: 1.0,
            p99: 2.0,
            failed,
        }
    }

    fn described(product: Product) -> &'static Description {
        PRODUCTS.iter().find(|one| one.product == product).unwrap()
    }

    #[test]
    fn a_row_is_compared_round_by_round() {
        let peer = vec![accepts(50.0, 0.0), accepts(100.0, 0.0)];
        let rows = [
            (
                described(Product::Memory),
                Ok(vec![accepts(100.0, 0.0), accepts(100.0, 0.0)]),
            ),
            (described(Product::NchanMemory), Ok(peer.clone())),
        ];
        assert_eq!(
            beside(described(Product::NchanMemory), &peer, &rows),
            "0.75 of its rate, 1.00 of its CPU (Posthorn, memory)"
        );
        assert_eq!(beside(described(Product::Memory), &peer, &rows), "");
        assert_eq!(print_accepts(&rows), Ok(()));
    }

    #[test]
    fn a_failed_request_fails_the_bench_and_an_absent_product_does_not() {
        let rows = |failed| {
            [
                (described(Product::Memory), Ok(vec![accepts(1.0, failed)])),
                (described(Product::S2), Err("not installed".to_owned())),
            ]
        };
        assert_eq!(print_accepts(&rows(0.0)), Ok(()));
        assert_eq!(
            print_accepts(&rows(2.0)),
            Err("2 requests failed".to_owned())
        );
    }

    #[test]
    fn what_was_not_measured_is_a_dash() {
        assert_eq!(cell(f64::NAN, 4, 1), "   -");
        assert_eq!(cell(2.0, 5, 1), "  2.0");
        assert!((accepts(1.0, 0.0).all_micros() - 20.0).abs() < 1e-9);
    }
}
