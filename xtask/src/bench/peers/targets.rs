//! What Posthorn aims at beside the other products, with a verdict for each.

use super::accepts::Accepts;
use super::fan_out::Deliveries;
use super::products::Product::{
    self, DurableStreams, Embedded, Memory, NchanMemory, NchanRedis, Redis, RedisAlone,
};
use super::table::PeerRow;
use crate::bench::figures::median;
use crate::bench::verdict::verdict;

/// A figure of one row of Posthorn, and what it should be.
struct PeerTarget<F> {
    of: Product,
    figure: (&'static str, fn(&F) -> f64),
    aim: Aim,
}

#[derive(Clone, Copy)]
enum Aim {
    /// At least this share of the figure of another product, in the median of the rounds.
    LeastBeside(f64, Product),
    /// At most this share of it.
    MostBeside(f64, Product),
    /// At most this, on the machine on which the target was set.
    Most(f64),
}

const RATE: (&str, fn(&Accepts) -> f64) = ("rate", |one| one.rate);
const P99: (&str, fn(&Accepts) -> f64) = ("p99", |one| one.p99);
const CPU: (&str, fn(&Accepts) -> f64) = ("CPU us", Accepts::all_micros);
const DELIVERED_CPU: (&str, fn(&Deliveries) -> f64) = ("CPU us", Deliveries::all_micros);
const DELIVERED_P99: (&str, fn(&Deliveries) -> f64) = ("p99", |one| one.p99);

/// Prints the verdicts on accepting.
pub(super) fn print_accepts(rows: &[PeerRow<Accepts>]) {
    for (of, figure, aim) in [
        (Memory, RATE, Aim::LeastBeside(1.0, NchanMemory)),
        (Memory, CPU, Aim::Most(12.0)),
        (Embedded, RATE, Aim::LeastBeside(1.0, DurableStreams)),
        (Embedded, P99, Aim::MostBeside(1.0, DurableStreams)),
        (Embedded, CPU, Aim::Most(13.0)),
        (Redis, RATE, Aim::LeastBeside(0.8, RedisAlone)),
        (Redis, CPU, Aim::Most(19.0)),
    ] {
        println!("{}", PeerTarget { of, figure, aim }.line(rows));
    }
}

/// Prints the verdicts on the fan-out.
pub(super) fn print_deliveries(rows: &[PeerRow<Deliveries>]) {
    for (of, peer) in [
        (Memory, NchanMemory),
        (Embedded, NchanMemory),
        (Redis, NchanRedis),
    ] {
        for (figure, share) in [(DELIVERED_CPU, 1.0), (DELIVERED_P99, 2.0)] {
            let aim = Aim::MostBeside(share, peer);
            println!("{}", PeerTarget { of, figure, aim }.line(rows));
        }
    }
}

impl<F> PeerTarget<F> {
    fn line(&self, rows: &[PeerRow<F>]) -> String {
        let row = |product| rows.iter().find(|(one, _)| one.product == product);
        let (what, figure) = self.figure;
        let name = row(self.of).map_or("", |(one, _)| one.name);
        let Some((_, Ok(ours))) = row(self.of) else {
            return format!("{name}: {what}: not measured");
        };
        // Both figures, as a share says nothing of a time that is negative or nearly zero.
        let beside = |peer: Product, word: &str, share: f64, holds: fn(f64, f64) -> bool| {
            let Some((peer, Ok(theirs))) = row(peer) else {
                return format!("{name}: {what}: nothing to compare with");
            };
            let pairs = ours
                .iter()
                .zip(theirs)
                .map(|(ours, theirs)| figure(ours) - share * figure(theirs));
            let surplus = median(pairs.collect());
            format!(
                "{name}: {what} {:.1}, at {word} {share:.2} of the {:.1} of {}: {}",
                median(ours.iter().map(figure).collect()),
                median(theirs.iter().map(figure).collect()),
                peer.name,
                verdict(holds(surplus, 0.0)),
            )
        };
        match self.aim {
            Aim::LeastBeside(share, peer) => beside(peer, "least", share, |a, b| a >= b),
            Aim::MostBeside(share, peer) => beside(peer, "most", share, |a, b| a <= b),
            Aim::Most(most) => {
                let ours = median(ours.iter().map(figure).collect());
                let verdict = verdict(ours <= most);
                format!("{name}: {what} {ours:.1}, at most {most:.1}: {verdict}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::products::PRODUCTS;
    use super::*;

    fn rows(ours: [f64; 2], theirs: [f64; 2]) -> [PeerRow<f64>; 2] {
        let described = |product| PRODUCTS.iter().find(|one| one.product == product).unwrap();
        [
            (described(Memory), Ok(ours.to_vec())),
            (described(NchanMemory), Ok(theirs.to_vec())),
        ]
    }

    fn line(aim: Aim, ours: [f64; 2], theirs: [f64; 2]) -> String {
        let figure: (_, fn(&f64) -> f64) = ("rate", |one| *one);
        let of = Memory;
        PeerTarget { of, figure, aim }.line(&rows(ours, theirs))
    }

    #[test]
    fn a_target_beside_a_product_is_judged_round_by_round() {
        let least = Aim::LeastBeside(0.8, NchanMemory);
        let met = "Posthorn, memory: rate 85.0, at least 0.80 of the 105.0 of nchan, memory: met";
        assert_eq!(line(least, [80.0, 90.0], [100.0, 110.0]), met);
        assert!(line(least, [79.0, 87.0], [100.0, 110.0]).ends_with(": MISSED"));
        let most = Aim::MostBeside(2.0, NchanMemory);
        assert!(line(most, [1.0, 1.0], [0.5, 0.5]).ends_with(": met"));
        assert!(line(most, [1.0, 1.0], [-2.0, -2.0]).ends_with(": MISSED"));
    }

    #[test]
    fn a_target_needs_both_rows() {
        let aim = Aim::LeastBeside(1.0, DurableStreams);
        let line = line(aim, [1.0, 1.0], [1.0, 1.0]);
        assert_eq!(line, "Posthorn, memory: rate: nothing to compare with");
    }

    #[test]
    fn a_target_alone_is_a_limit() {
        let line = |most| line(Aim::Most(most), [1.0, 3.0], [0.0, 0.0]);
        assert_eq!(
            line(2.0),
            "Posthorn, memory: rate 2.0, at most 2.0: met".to_owned()
        );
        assert!(line(1.9).ends_with(": MISSED"));
    }
}
