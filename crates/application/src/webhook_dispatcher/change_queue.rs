//! The webhooks that this process changed. The call that changes one returns once it is followed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use event_listener::Event;
use posthorn_domain::ConsumerKey;

/// Between the calls that change webhooks and the fleet. It has each webhook once, and none without a fleet.
#[derive(Default)]
pub(super) struct ChangeQueue {
    state: Mutex<ChangeState>,
    event: Event,
}

#[derive(Default)]
struct ChangeState {
    /// True while a fleet follows.
    is_open: bool,
    /// The webhooks that the fleet has not taken yet.
    keys: Vec<ConsumerKey>,
    announced: u64,
    followed: u64,
}

impl ChangeQueue {
    pub(super) fn open(&self) {
        self.lock().is_open = true;
    }

    /// Lets all calls return: no fleet follows any more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_open = false;
        state.keys.clear();
        drop(state);
        self.event.notify(usize::MAX);
    }

    /// Announces a change; returns once the fleet follows it, and at once if there is no fleet.
    pub(super) async fn announce(&self, key: ConsumerKey) {
        let number = {
            let mut state = self.lock();
            if !state.is_open {
                return;
            }
            if !state.keys.contains(&key) {
                state.keys.push(key);
            }
            state.announced = state.announced.saturating_add(1);
            state.announced
        };
        self.event.notify(usize::MAX);
        self.wait(|state| (!state.is_open || number <= state.followed).then_some(()))
            .await;
    }

    /// Waits for changes and takes them, with the number to call [`ChangeQueue::followed`] with.
    pub(super) async fn taken(&self) -> (Vec<ConsumerKey>, u64) {
        self.wait(|state| {
            let keys = std::mem::take(&mut state.keys);
            (!keys.is_empty()).then_some((keys, state.announced))
        })
        .await
    }

    pub(super) fn followed(&self, number: u64) {
        self.lock().followed = number;
        self.event.notify(usize::MAX);
    }

    async fn wait<T>(&self, mut look: impl FnMut(&mut ChangeState) -> Option<T>) -> T {
        loop {
            // Listen before the look: a change after the look wakes the listener.
            let listener = self.event.listen();
            let found = look(&mut self.lock());
            if let Some(found) = found {
                return found;
            }
            listener.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, ChangeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
