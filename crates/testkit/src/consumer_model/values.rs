//! The few values that random sequences of operations name by number.

use std::time::Duration;

use posthorn_domain::{
    ConsumerKey, ConsumerKind, ConsumerName, ConsumerOptions, ConsumerSettings, LeaseDuration,
    Topic,
};

/// A delay that no sequence outlasts.
pub(super) const LONG: Duration = Duration::from_hours(24);

/// A few settings that meet; with a real clock nothing expires.
pub(super) fn settings(number: u8, has_clock: bool) -> ConsumerSettings {
    let (lease, attempts, backoff, in_flight) = match number {
        0 => (10.0, 5, vec![0.0, 5.0, 30.0], 1_000),
        1 => (5.0, 1, vec![0.0], 1_000),
        2 => (5.0, 2, vec![2.0], 3),
        3 => (1.0, 3, vec![0.0], 2),
        _ => (20.0, 2, vec![0.0], 1),
    };
    let options = ConsumerOptions {
        lease_seconds: Some(if has_clock { lease } else { 43_200.0 }),
        max_attempts: Some(attempts),
        backoff_seconds: Some(if has_clock { backoff } else { vec![0.0] }),
        max_in_flight: Some(in_flight),
    };
    ConsumerSettings::parse(&options).unwrap()
}

pub(super) fn lease(number: u8, has_clock: bool) -> Option<LeaseDuration> {
    let seconds = match number {
        1 => 1.5,
        2 => 60.0,
        _ => return None,
    };
    has_clock.then(|| LeaseDuration::parse(seconds).unwrap())
}

pub(super) fn delay(number: Option<u8>, has_clock: bool) -> Option<Duration> {
    match number? {
        0 => Some(Duration::ZERO),
        1 if has_clock => Some(Duration::from_millis(2_500)),
        _ => Some(LONG),
    }
}

pub(super) fn key(topic: &Topic, consumer: u8) -> ConsumerKey {
    ConsumerKey {
        topic: topic.clone(),
        kind: ConsumerKind::Consumer,
        name: ConsumerName::parse(&format!("c{consumer}")).unwrap(),
    }
}

/// The element at `place`, counted around.
pub(super) fn pick<T: Copy>(from: &[T], place: u8) -> Option<T> {
    let place = usize::from(place).checked_rem(from.len())?;
    from.get(place).copied()
}
