//! The orders of the fleet to the worker of one webhook.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::plan::DeliveryPlan;
use crate::wake_channel::WakeChannel;

/// How far a worker has to stop. It only increases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stop {
    /// Not at all.
    #[default]
    None,
    /// Take no more messages, and end after the attempts under way.
    Finish,
    /// Drop the attempts under way and give their leases back.
    Abort,
    /// Drop the attempts under way and record nothing: the webhook is deleted.
    Discard,
}

/// Shared by the fleet and one worker.
#[derive(Default)]
pub(super) struct Orders {
    state: Mutex<OrderState>,
    channel: WakeChannel,
}

#[derive(Default)]
struct OrderState {
    stop: Stop,
    /// New settings that the worker has not taken yet.
    plan: Option<Arc<DeliveryPlan>>,
}

impl Orders {
    pub(super) fn stop(&self, stop: Stop) {
        let mut state = self.lock();
        state.stop = state.stop.max(stop);
        drop(state);
        self.channel.notify();
    }

    pub(super) fn change(&self, plan: Arc<DeliveryPlan>) {
        self.lock().plan = Some(plan);
        self.channel.notify();
    }

    /// True after [`Orders::stop`].
    pub(super) fn is_stopped(&self) -> bool {
        self.lock().stop > Stop::None
    }

    /// The current stop, and the new settings, once.
    pub(super) fn take(&self) -> (Stop, Option<Arc<DeliveryPlan>>) {
        let mut state = self.lock();
        (state.stop, state.plan.take())
    }

    /// Waits for an order after those `seen`. Safe to drop.
    pub(super) async fn changed(&self, seen: &mut u64) {
        self.channel.changed(seen).await;
    }

    fn lock(&self) -> MutexGuard<'_, OrderState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
