//! The webhooks that this process changed. The call that changes one returns once it is followed.

use posthorn_domain::ConsumerKey;

use crate::watched::Watched;

/// Between the calls that change webhooks and the fleet. It has each webhook once, and none without a fleet.
#[derive(Default)]
pub(super) struct ChangeQueue(Watched<ChangeState>);

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
        self.0.update(|state| state.is_open = true);
    }

    /// Lets all calls return: no fleet follows any more.
    pub(super) fn close(&self) {
        self.0.update(|state| {
            state.is_open = false;
            state.keys.clear();
        });
    }

    /// Announces a change; returns once the fleet follows it, and at once if there is no fleet.
    pub(super) async fn announce(&self, key: ConsumerKey) {
        let Some(number) = self.0.update(|state| state.announce(key)) else {
            return;
        };
        self.0
            .wait_for(|state| (!state.is_open || number <= state.followed).then_some(()))
            .await;
    }

    /// Waits for changes and takes them, with the number to call [`ChangeQueue::followed`] with.
    pub(super) async fn taken(&self) -> (Vec<ConsumerKey>, u64) {
        self.0
            .wait_for(|state| {
                let keys = std::mem::take(&mut state.keys);
                (!keys.is_empty()).then_some((keys, state.announced))
            })
            .await
    }

    pub(super) fn followed(&self, number: u64) {
        self.0.update(|state| state.followed = number);
    }
}

impl ChangeState {
    /// Adds a change and returns its number; `None` if there is no fleet.
    fn announce(&mut self, key: ConsumerKey) -> Option<u64> {
        if !self.is_open {
            return None;
        }
        if !self.keys.contains(&key) {
            self.keys.push(key);
        }
        self.announced = self.announced.saturating_add(1);
        Some(self.announced)
    }
}
