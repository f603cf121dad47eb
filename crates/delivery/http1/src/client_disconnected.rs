//! A signal that the client closed its side of the connection.
//!
//! Gap: actix-http polls a pending response body and nothing else, so an idle stream is kept until a write fails
//! (actix-web issue 1313). Red without it: `a_pending_body_learns_of_the_disconnect`.

use std::rc::Rc;

use tokio::sync::Notify;

/// Signals that the client closed its sending half; it may still read. Every request has it as `conn_data`.
#[derive(Clone, Debug, Default)]
pub struct ClientDisconnected(Rc<Notify>);

impl ClientDisconnected {
    /// Waits until the client has closed its sending half.
    pub async fn wait(&self) {
        self.0.notified().await;
    }

    /// Wakes the waiting task, or the next one that waits.
    pub(crate) fn notify(&self) {
        self.0.notify_one();
    }
}
