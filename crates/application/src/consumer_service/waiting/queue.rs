//! The queue of one consumer.

use std::collections::BTreeMap;
use std::task::Waker;
use std::time::Duration;

use crate::ports::message_store::Subscription;

/// The waiting pulls of one consumer, in the order in which they came.
#[derive(Default)]
pub(super) struct WaitQueue {
    waiters: BTreeMap<u64, Slot>,
    next_ticket: u64,
    leader: Option<u64>,
    /// The subscription, while nobody leads.
    watcher: Option<Box<dyn Subscription>>,
    /// When an entry is due, by the monotonic clock.
    next_due: Option<Duration>,
}

/// Whether a waiter became the leader.
pub(super) enum Leadership {
    /// Another waiter leads.
    Occupied,
    /// The waiter leads, with the subscription of the last leader if there was one.
    Granted(Option<Box<dyn Subscription>>),
}

#[derive(Default)]
struct Slot {
    /// Whether it has the turn: it pulls, or has not yet seen that it may.
    has_turn: bool,
    signal: Option<Signal>,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// It is its turn to pull.
    Turn,
    /// There is no leader, or the timer of the leader has to be set anew.
    Reconsider,
}

impl WaitQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    pub(super) fn next_due(&self) -> Option<Duration> {
        self.next_due
    }

    /// Adds a waiter at the end; returns its ticket.
    pub(super) fn enter(&mut self) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.waiters.insert(ticket, Slot::default());
        ticket
    }

    /// Removes a waiter. A turn that it did not end goes to the next one.
    pub(super) fn leave(&mut self, ticket: u64) {
        let had_turn = self
            .waiters
            .remove(&ticket)
            .is_some_and(|slot| slot.has_turn);
        if had_turn {
            self.give_turn();
        }
        // It may have been asked to lead, and gone before it saw that.
        self.call_for_leader(None);
    }

    /// Gives a turn to the first waiter that has none.
    pub(super) fn give_turn(&mut self) {
        let mut slots = self.waiters.values_mut();
        if let Some(slot) = slots.find(|slot| !slot.has_turn) {
            slot.has_turn = true;
            slot.send(Signal::Turn);
        }
    }

    /// Starts the turn of a waiter that did not wait for it.
    pub(super) fn take_turn(&mut self, ticket: u64) {
        if let Some(slot) = self.waiters.get_mut(&ticket) {
            slot.has_turn = true;
            slot.signal = None;
        }
    }

    pub(super) fn end_turn(&mut self, ticket: u64) {
        if let Some(slot) = self.waiters.get_mut(&ticket) {
            slot.has_turn = false;
        }
    }

    /// Makes a waiter the leader unless there is one.
    pub(super) fn try_lead(&mut self, ticket: u64) -> Leadership {
        if self.leader.is_some() {
            return Leadership::Occupied;
        }
        self.leader = Some(ticket);
        Leadership::Granted(self.watcher.take())
    }

    /// Takes the subscription back and lets another waiter lead.
    pub(super) fn end_lead(&mut self, ticket: u64, watcher: Option<Box<dyn Subscription>>) {
        self.leader = None;
        self.watcher = watcher;
        self.call_for_leader(Some(ticket));
    }

    /// An entry is due at `due`. The earliest such time counts: one that is too early costs a pull
    /// that finds nothing and announces the next.
    pub(super) fn expect_due(&mut self, due: Duration) {
        if self.next_due.is_some_and(|known| known <= due) {
            return;
        }
        self.next_due = Some(due);
        let leader = self.leader.and_then(|leader| self.waiters.get_mut(&leader));
        if let Some(slot) = leader {
            slot.send(Signal::Reconsider);
        }
    }

    /// Forgets a time that has come: the turn that it causes announces the next.
    pub(super) fn forget_due(&mut self, now: Duration) {
        self.next_due = self.next_due.filter(|due| *due > now);
    }

    /// Signals the first waiter but `except` that has no turn to try to lead, unless one leads.
    fn call_for_leader(&mut self, except: Option<u64>) {
        if self.leader.is_some() {
            return;
        }
        let mut slots = self.waiters.iter_mut();
        let first = slots.find(|(ticket, slot)| !slot.has_turn && Some(**ticket) != except);
        if let Some((_, slot)) = first {
            slot.send(Signal::Reconsider);
        }
    }

    /// Takes the signal of a waiter; without one, keeps `waker` for the next.
    pub(super) fn take_signal(&mut self, ticket: u64, waker: &Waker) -> Option<Signal> {
        let slot = self.waiters.get_mut(&ticket)?;
        let signal = slot.signal.take();
        if signal.is_none() {
            match &mut slot.waker {
                Some(kept) => kept.clone_from(waker),
                empty => *empty = Some(waker.clone()),
            }
        }
        signal
    }

    /// The wakers of all waiters.
    pub(super) fn wakers(&mut self) -> impl Iterator<Item = Waker> {
        self.waiters
            .values_mut()
            .filter_map(|slot| slot.waker.take())
    }
}

impl Slot {
    /// `Reconsider` does not replace a turn.
    fn send(&mut self, signal: Signal) {
        if self.signal != Some(Signal::Turn) {
            self.signal = Some(signal);
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
