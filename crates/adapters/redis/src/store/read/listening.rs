//! A listener's task, which the first subscription starts.

use std::sync::Mutex;

use posthorn_application::StoreError;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::listener::Listener;
use crate::mutex::lock;

/// The task, before and after its start.
pub(crate) struct Listening {
    not_started: Mutex<Option<(Listener, watch::Sender<bool>)>>,
    task: Mutex<JoinSet<()>>,
    connected: watch::Receiver<bool>,
}

impl Listening {
    /// No task runs yet.
    pub(crate) fn new(listener: Listener) -> Self {
        let (sender, connected) = watch::channel(false);
        Self {
            not_started: Mutex::new(Some((listener, sender))),
            task: Mutex::default(),
            connected,
        }
    }

    /// Starts the task if it is not running, and waits until it receives announcements.
    pub(crate) async fn start(&self) -> Result<(), StoreError> {
        if let Some((listener, connected)) = lock(&self.not_started).take() {
            lock(&self.task).spawn(listener.run(connected));
        }
        let closed = |_| StoreError::Unavailable("the store is closed".to_owned());
        self.connected
            .clone()
            .wait_for(|connected| *connected)
            .await
            .map(drop)
            .map_err(closed)
    }

    /// Ends the task, or keeps it from starting.
    pub(crate) fn stop(&self) {
        lock(&self.not_started).take();
        lock(&self.task).abort_all();
    }
}
