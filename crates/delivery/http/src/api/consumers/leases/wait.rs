//! A pull that waits: it counts as a stream and not as a request in flight, and ends when its client
//! goes away or its token ends. The service ends the waits of a server that stops.

use std::time::Duration;

use std::sync::Arc;

use actix_web::{HttpRequest, web};
use posthorn_http1::ClientDisconnected;

use crate::api::grant_watch::GrantWatch;
use crate::request::{context, grant};
use crate::state::AppState;
use crate::state::concurrency_limit::Permit;
use crate::state::metrics::RequestMetrics;

/// A waiting pull, counted until it is dropped.
pub(super) struct WaitingPull {
    _permit: Permit,
    metrics: Arc<dyn RequestMetrics>,
    disconnected: ClientDisconnected,
    grant: GrantWatch,
    state: web::Data<AppState>,
}

impl WaitingPull {
    /// Counts the pull as a stream, and no longer as a request in flight; `None` if the maximum of streams are open.
    pub(super) fn start(request: &HttpRequest, state: &web::Data<AppState>) -> Option<Self> {
        let permit = state.streams.acquire(state.settings.max_streams)?;
        context::of(request).permit.take();
        let metrics = Arc::clone(&state.services.request_metrics);
        metrics.stream_changed(true);
        metrics.request_waiting(true);
        Some(Self {
            _permit: permit,
            metrics,
            disconnected: request.conn_data().cloned().unwrap_or_default(),
            grant: GrantWatch::new(grant::of(request), state),
            state: state.clone(),
        })
    }

    /// Runs `pull`; `None` if the client goes away or its token ends first.
    pub(super) async fn run<T>(mut self, pull: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            // First: a client that may be gone gets no lease.
            biased;
            () = self.disconnected.wait() => None,
            pulled = pull => Some(pulled),
            // The next call gets the reason.
            _ = self.grant.wait(Duration::MAX, &self.state) => None,
        }
    }
}

impl Drop for WaitingPull {
    fn drop(&mut self) {
        self.metrics.stream_changed(false);
        self.metrics.request_waiting(false);
    }
}
