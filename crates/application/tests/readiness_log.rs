//! The log of readiness. Alone in its test program: `tracing` decides once for each place that logs whether anybody
//! listens, and a test beside this one that logs there first could decide it.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use posthorn_application::{
    HealthCheck, HealthService, Lifecycle, MessageStore, Phase, StoreDependency, StoreError,
};
use posthorn_testkit::{FakeClock, FakeStore, eventually};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry;

/// Keeps level and message of each event at info or above.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = *event.metadata().level();
        if level <= Level::INFO {
            let mut line = Line(level.to_string());
            event.record(&mut line);
            self.0.lock().unwrap().push(line.0);
        }
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{} {value:?}", self.0);
        }
    }
}

#[tokio::test]
async fn each_change_of_readiness_is_logged_once_also_without_probes() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(registry().with(log.clone()));
    let clock = Arc::new(FakeClock::new());
    let store = Arc::new(FakeStore::new(Arc::clone(&clock)));
    let check = HealthCheck::new(
        "store",
        true,
        Arc::new(StoreDependency(Arc::clone(&store) as _)),
    );
    let lifecycle = Arc::new(Lifecycle::new());
    let service = HealthService::new(vec![check], Arc::clone(&lifecycle), Arc::clone(&clock) as _);
    assert!(service.check_readiness().await.is_err());
    lifecycle.advance(Phase::Ready);
    assert!(service.check_readiness().await.is_ok());
    store.fail_next(2, StoreError::Unavailable("away".to_owned()));
    let pass_intervals = eventually(Duration::from_secs(10), async || {
        clock.advance(Duration::from_secs(10));
        log.0.lock().unwrap().len() == 2
    });
    tokio::select! {
        () = service.watch_readiness() => {}
        () = pass_intervals => {}
    }
    clock.advance(Duration::from_secs(1));
    lifecycle.advance(Phase::Draining);
    store.close().await;
    assert!(service.check_readiness().await.is_err());
    assert_eq!(
        *log.0.lock().unwrap(),
        ["WARN not ready", "INFO ready again"]
    );
}
