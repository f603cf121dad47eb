//! The service of consumers, with its background tasks.

use std::sync::Arc;

use posthorn_application::{ConsumerService, ConsumerStore};
use posthorn_system::ThreadRng;
use posthorn_telemetry::{ConsumerSampler, InstrumentedConsumerStore};

use super::context::Context;

/// Builds the service over `store`. Runs the tasks that return undelivered leases and count the
/// consumers for the metrics.
pub(super) fn service(
    context: &mut Context,
    store: Arc<dyn ConsumerStore>,
) -> Arc<ConsumerService> {
    let metrics = &context.metrics;
    let max_series = context.settings.metrics.max_consumer_series;
    let max_series = usize::try_from(max_series).unwrap_or(usize::MAX);
    // The sampler reads the store itself: its steady calls would hide those of clients.
    let sampler = ConsumerSampler::new(Arc::clone(&store), metrics, max_series);
    let store = Arc::new(InstrumentedConsumerStore::new(store, metrics));
    let clock = Arc::clone(&context.clock);
    let service = Arc::new(ConsumerService::new(store, clock, Arc::new(ThreadRng)));
    let returning = Arc::clone(&service);
    let tasks = &mut context.supervisor;
    tasks.run("consumer-metrics", async move { sampler.run().await });
    tasks.run("consumers", async move {
        returning.return_undelivered().await;
    });
    service
}
