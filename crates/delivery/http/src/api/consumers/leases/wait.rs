//! A pull that waits: it counts as a stream and not as a request in flight, and ends when its client
//! goes away or the server stops.

use std::sync::Arc;

use actix_web::{HttpRequest, web};
use posthorn_http1::ClientDisconnected;
use tokio::sync::watch;

use crate::request::context;
use crate::state::AppState;
use crate::state::concurrency_limit::Permit;
use crate::state::metrics::{RequestMetrics, Shed};
use crate::wire::problem::ApiError;

/// A waiting pull, counted until it is dropped.
pub(super) struct WaitingPull {
    _permit: Permit,
    metrics: Arc<dyn RequestMetrics>,
    disconnected: ClientDisconnected,
    /// Becomes `true` when the server stops.
    stop: watch::Receiver<bool>,
}

impl WaitingPull {
    /// Counts the pull as a stream, and no longer as a request in flight.
    ///
    /// # Errors
    /// `overloaded` if the maximum of streams are open.
    pub(super) fn start(
        request: &HttpRequest,
        state: &web::Data<AppState>,
    ) -> Result<Self, ApiError> {
        let permit = state.streams.acquire(state.settings.max_streams);
        let permit = permit.ok_or_else(|| {
            state.services.request_metrics.request_shed(Shed::Streams);
            ApiError::overloaded()
        })?;
        context::of(request).permit.take();
        let metrics = Arc::clone(&state.services.request_metrics);
        metrics.pull_waiting(true);
        Ok(Self {
            _permit: permit,
            metrics,
            disconnected: request.conn_data().cloned().unwrap_or_default(),
            stop: state.services.stop_streams.clone(),
        })
    }

    /// Runs `pull`; `None` if the client goes away or the server stops first.
    pub(super) async fn run<T>(mut self, pull: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            // First: what is due at once is handed out also to a client that sends nothing more.
            biased;
            pulled = pull => Some(pulled),
            () = self.disconnected.wait() => None,
            _ = self.stop.wait_for(|stop| *stop) => None,
        }
    }
}

impl Drop for WaitingPull {
    fn drop(&mut self) {
        self.metrics.pull_waiting(false);
    }
}
