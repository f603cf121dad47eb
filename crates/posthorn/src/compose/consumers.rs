//! The service of consumers, with its background tasks.

use std::sync::Arc;

use posthorn_application::{Clock, ConsumerService, ConsumerStore};
use posthorn_config::Settings;
use posthorn_system::ThreadRng;
use posthorn_telemetry::{ConsumerSampler, InstrumentedConsumerStore, Metrics};

use crate::supervisor::Supervisor;

/// Builds the service over `store`, and runs what returns undelivered leases and what counts the
/// consumers for the metrics.
pub(super) fn service(
    settings: &Settings,
    store: Arc<dyn ConsumerStore>,
    clock: &Arc<dyn Clock>,
    metrics: &Metrics,
    supervisor: &mut Supervisor,
) -> Arc<ConsumerService> {
    let max_series = settings.metrics.max_consumer_series;
    let max_series = usize::try_from(max_series).unwrap_or(usize::MAX);
    // The sampler reads the store itself: its steady calls would hide those of clients.
    let sampler = ConsumerSampler::new(Arc::clone(&store), metrics, max_series);
    supervisor.run("consumer-metrics", async move { sampler.run().await });
    let store = Arc::new(InstrumentedConsumerStore::new(store, metrics));
    let service = ConsumerService::new(store, Arc::clone(clock), Arc::new(ThreadRng));
    let service = Arc::new(service);
    let returning = Arc::clone(&service);
    supervisor.run("consumers", async move {
        returning.return_undelivered().await;
    });
    service
}
