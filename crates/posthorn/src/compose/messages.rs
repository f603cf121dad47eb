//! The service of messages, with retention.

use std::sync::Arc;

use posthorn_application::{MessageService, MessageStore, RetentionService, RetentionSettings};

use super::caches;
use super::context::Context;

/// Builds the service over `store`, and starts to prune. With `is_cacheable`, messages that are read
/// are cached in this process.
pub(super) fn service(
    context: &mut Context,
    store: &Arc<dyn MessageStore>,
    is_cacheable: bool,
) -> MessageService {
    let settings = &context.settings;
    let retention = RetentionSettings::new(settings.store.retention());
    let retention = RetentionService::new(Arc::clone(store), Arc::clone(&context.clock), retention);
    let instance = settings.app.identity().instance;
    let service = MessageService::new(Arc::clone(store), instance, settings.store.idempotency_ttl);
    let tasks = &mut context.supervisor;
    tasks.run("retention", async move { retention.run().await });
    if is_cacheable {
        // A cache of its own: messages would evict the small entries of the other cache.
        service.with_cache(caches::in_memory(context))
    } else {
        service
    }
}
