//! What a decision on a quota costs in memory: it has to stay under a microsecond.

#![allow(missing_docs, reason = "the macros of criterion make functions")]

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use criterion::{Criterion, criterion_group, criterion_main};
use posthorn_application::{Clock, QuotaClass, QuotaCounter, QuotaKey, QuotaScope};
use posthorn_domain::{Client, QuotaRule, QuotaStrategy, Timestamp};
use posthorn_memory::{MemoryQuotaCounter, MemoryQuotaSettings};
use posthorn_testkit::{FakeClock, quota_contract};

/// As many clients as the counter tracks by default.
const CLIENTS: u32 = 100_000;

/// As the binary's clock: reading it is a part of the cost.
struct RealClock(Instant);

#[async_trait]
impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        FakeClock::START
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, _: Duration) {}
}

/// The outcome of a future that never waits.
fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Some(outcome),
        Poll::Pending => None,
    }
}

fn key(client: u32) -> QuotaKey {
    QuotaKey {
        client: Client::at(Ipv4Addr::from_bits(client).into()),
        scope: QuotaScope {
            class: QuotaClass::Message,
            route: "",
        },
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "it is real time that is measured"
)]
fn counter() -> MemoryQuotaCounter {
    let clock = Arc::new(RealClock(Instant::now()));
    MemoryQuotaCounter::new(clock, MemoryQuotaSettings::default())
}

/// Decides for one client after the other, so that hardly anything is in the processor's caches.
fn decide(criterion: &mut Criterion, name: &str, rule: &QuotaRule, clients: u32) {
    let counter = counter();
    let keys: Vec<_> = (0..clients).map(key).collect();
    for key in &keys {
        black_box(ready(counter.hit(key, rule)));
    }
    let mut turns = keys.iter().cycle();
    criterion.bench_function(name, |bencher| {
        bencher.iter(|| {
            turns
                .next()
                .map(|key| ready(counter.hit(black_box(key), rule)))
        });
    });
}

fn decisions(criterion: &mut Criterion) {
    let fixed = |text| quota_contract::rule(text, QuotaStrategy::FixedWindow);
    let moving = |text| quota_contract::rule(text, QuotaStrategy::MovingWindow);
    decide(
        criterion,
        "fixed, allowed",
        &fixed("1000000000 per year"),
        1,
    );
    decide(criterion, "fixed, denied", &fixed("1 per year"), 1);
    let two = fixed("1000000000 per year;500000000 per month");
    decide(criterion, "fixed, two windows", &two, 1);
    decide(criterion, "fixed, 100000 clients", &two, CLIENTS);
    decide(criterion, "fixed, always a new client", &two, 4 * CLIENTS);
    decide(
        criterion,
        "moving, 10 per second",
        &moving("10 per second"),
        1,
    );
    decide(criterion, "moving, denied", &moving("10000 per year"), 1);
    decide(
        criterion,
        "moving, 100000 clients",
        &moving("20 per minute"),
        CLIENTS,
    );
}

criterion_group!(benches, decisions);
criterion_main!(benches);
