//! The log of permanent errors. Alone in its test program: `tracing` decides once for each place that
//! logs whether anybody listens, and a test beside this one that logs there first could decide it.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use posthorn_application::{
    BackendError, Breaker, BreakerSettings, DependencyObserver, Fallback, QuotaCounter,
};
use posthorn_domain::QuotaStrategy;
use posthorn_testkit::quota_contract::{key, rule};
use posthorn_testkit::{FakeClock, FakeQuotaCounter};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry;

struct Unobserved;

impl DependencyObserver for Unobserved {
    fn dependency_changed(&self, _: &'static str, _: bool) {}
}

/// Counts warnings.
struct Warnings(Arc<AtomicUsize>);

impl<S: Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() == Level::WARN {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[tokio::test]
async fn permanent_errors_are_logged_without_flooding_the_log() {
    let warnings = Arc::new(AtomicUsize::new(0));
    let subscriber = registry().with(Warnings(Arc::clone(&warnings)));
    let _guard = tracing::subscriber::set_default(subscriber);
    let clock = Arc::new(FakeClock::new());
    let primary = Arc::new(FakeQuotaCounter::new(Arc::clone(&clock), true));
    let breaker = Breaker::new("redis", BreakerSettings::default(), Arc::new(Unobserved));
    let counter = Fallback::new(
        Arc::clone(&primary) as Arc<dyn QuotaCounter>,
        Arc::new(FakeQuotaCounter::new(clock, false)) as _,
        Arc::new(breaker),
    );
    primary.fail_next(
        usize::MAX,
        BackendError::Failed("no such command".to_owned()),
    );
    let (key, rule) = (key("k"), rule("10 per day", QuotaStrategy::FixedWindow));
    for (calls, expected) in [(1, 1), (999, 10)] {
        for _ in 0..calls {
            counter.hit(&key, &rule).await.unwrap();
        }
        assert_eq!(warnings.load(Ordering::Relaxed), expected);
    }
}
