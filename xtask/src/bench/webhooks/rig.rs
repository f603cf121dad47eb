//! What every case measures.

use super::calls::WebhookCalls;
use super::sink::WebhookSink;
use crate::bench::server::{BenchServer, ServerKind, ServerLaunch};

/// A server, its calls, and the receiver of its webhooks.
pub(super) struct WebhookBench {
    pub(super) server: BenchServer,
    pub(super) calls: WebhookCalls,
    pub(super) sink: WebhookSink,
    /// The seconds of load of each case.
    pub(super) seconds: u64,
}

impl WebhookBench {
    pub(super) fn start(launch: &ServerLaunch<'_>, seconds: u64) -> Result<Self, String> {
        let server = BenchServer::start(ServerKind::Unlimited, launch)?;
        Ok(Self {
            calls: WebhookCalls::new(server.address),
            server,
            sink: WebhookSink::start()?,
            seconds,
        })
    }
}
