//! A signal that the client closed its side of the connection.
//!
//! Gap: actix-http polls a pending response body and nothing else, so an idle stream is kept until a write fails
//! (actix-web issue 1313). Red without it: `a_pending_body_learns_of_the_disconnect`.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Notify;

/// Signals that the client closed its sending half; it may still read. Every request has it as `conn_data`, also
/// those that were pipelined behind the one that was under way.
#[derive(Clone, Debug, Default)]
pub struct ClientDisconnected(Rc<DisconnectSignal>);

#[derive(Debug, Default)]
struct DisconnectSignal {
    is_disconnected: Cell<bool>,
    notify: Notify,
}

impl ClientDisconnected {
    /// True once the client has closed its sending half.
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        self.0.is_disconnected.get()
    }

    /// Waits until the client has closed its sending half.
    pub async fn wait(&self) {
        // One thread serves the connection: nothing comes between the check and the wait.
        if !self.is_disconnected() {
            self.0.notify.notified().await;
        }
    }

    /// Marks the client as disconnected and wakes all waiters; later calls of `wait` return at once.
    pub(crate) fn notify(&self) {
        self.0.is_disconnected.set(true);
        self.0.notify.notify_waiters();
    }
}
