//! The most connections of a worker: when there are as many, the one that has been idle longest gives way to a new one.
//!
//! Gap: actix-server stops accepting at its limit, so idle connections keep new clients out until they expire. No
//! public issue found. Red without it: `the_longest_idle_connection_gives_way`.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::Waker;

use tokio::sync::Notify;

thread_local! {
    static OF_WORKER: OnceCell<ConnectionSlots> = const { OnceCell::new() };
}

/// The connections of a worker thread, and their limit. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ConnectionSlots(Rc<Slots>);

#[derive(Debug)]
struct Slots {
    max: usize,
    /// The open connections, by a number.
    open: RefCell<BTreeMap<u64, Rc<SlotState>>>,
    next: Cell<u64>,
    /// Wakes the connections that wait for a slot: one was freed, or may be.
    changed: Notify,
}

/// The place of an open connection; it is freed when this is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionSlot {
    number: u64,
    state: Rc<SlotState>,
    slots: ConnectionSlots,
}

#[derive(Debug, Default)]
struct SlotState {
    /// When the connection became idle, in a count of such moments; `None` while it is not.
    idle_since: Cell<Option<u64>>,
    must_close: Cell<bool>,
    /// The task of the idle connection.
    waker: RefCell<Option<Waker>>,
}

impl ConnectionSlots {
    /// At most `max` connections, at least one.
    pub fn new(max: usize) -> Self {
        Self(Rc::new(Slots {
            max: max.max(1),
            open: RefCell::default(),
            next: Cell::new(0),
            changed: Notify::new(),
        }))
    }

    /// The connections of this thread, which all listeners of a worker share; the first call sets the limit.
    pub(crate) fn of_worker(max: usize) -> Self {
        OF_WORKER.with(|slots| slots.get_or_init(|| Self::new(max)).clone())
    }

    /// Waits for a slot. An idle connection is closed for it; one with a request or a response is not.
    pub(crate) async fn acquire(&self) -> ConnectionSlot {
        while self.0.open.borrow().len() >= self.0.max {
            self.close_idle();
            self.0.changed.notified().await;
        }
        let (number, state) = (self.count(), Rc::<SlotState>::default());
        self.0.open.borrow_mut().insert(number, Rc::clone(&state));
        ConnectionSlot {
            number,
            state,
            slots: self.clone(),
        }
    }

    /// Asks the connection that has been idle longest to close, unless one closes already.
    fn close_idle(&self) {
        let open = self.0.open.borrow();
        if open.values().any(|state| state.must_close.get()) {
            return;
        }
        let idle = open
            .values()
            .filter_map(|state| Some((state.idle_since.get()?, state)));
        if let Some((_, state)) = idle.min_by_key(|(since, _)| *since) {
            state.must_close.set(true);
            if let Some(waker) = state.waker.take() {
                waker.wake();
            }
        }
    }

    fn count(&self) -> u64 {
        let number = self.0.next.get();
        self.0.next.set(number.wrapping_add(1));
        number
    }
}

impl ConnectionSlot {
    /// The connection waits for a next request, and its task is that of `waker`.
    pub(crate) fn set_idle(&self, waker: &Waker) {
        let state = &self.state;
        let mut known = state.waker.borrow_mut();
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
        if state.idle_since.get().is_none() {
            state.idle_since.set(Some(self.slots.count()));
            self.slots.0.changed.notify_waiters();
        }
    }

    /// Bytes of a next request were read.
    pub(crate) fn set_active(&self) {
        self.state.idle_since.set(None);
        if self.state.must_close.replace(false) {
            // Another one has to give way.
            self.slots.0.changed.notify_waiters();
        }
    }

    /// True if the connection has to close, as long as no byte of a next request was read.
    pub(crate) fn must_close(&self) -> bool {
        self.state.must_close.get()
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.slots.0.open.borrow_mut().remove(&self.number);
        self.slots.0.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn the_longest_idle_connection_gives_way() {
        let slots = ConnectionSlots::new(3);
        let [first, second, busy] = [(); 3].map(|()| slots.acquire().now_or_never().unwrap());
        second.set_idle(Waker::noop());
        first.set_idle(Waker::noop());
        // A second request later, the first one has been idle for less time.
        let mut third = Box::pin(slots.acquire());
        assert!(third.as_mut().now_or_never().is_none());
        assert!(second.must_close() && !first.must_close() && !busy.must_close());
        // The request that came meanwhile is served, and the other one gives way.
        second.set_active();
        assert!(third.as_mut().now_or_never().is_none());
        assert!(first.must_close() && !second.must_close());
        drop(first);
        let third = third.now_or_never().unwrap();
        // Nobody is idle: a new connection waits until one is.
        let mut fourth = Box::pin(slots.acquire());
        assert!(fourth.as_mut().now_or_never().is_none());
        busy.set_idle(Waker::noop());
        assert!(fourth.as_mut().now_or_never().is_none());
        assert!(busy.must_close() && !third.must_close());
        drop(busy);
        assert!(fourth.now_or_never().is_some());
    }
}
