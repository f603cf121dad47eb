//! The requests of one connection, as what handles them tells of it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;

/// The requests of one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns(Rc<State>);

#[derive(Debug, Default)]
struct State {
    begun: Cell<u64>,
    busy: Cell<usize>,
    wanted: Cell<Option<usize>>,
    body: Cell<Body>,
    /// Who waits until a turn is over or a body is wanted.
    waiting: RefCell<Option<Waker>>,
}

/// How far the body of the newest request was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Body {
    /// To its end, or there is none.
    #[default]
    Ended,
    /// Not to its end.
    Open,
    /// It has no end: its framing is wrong, or the client is gone.
    Broken,
}

/// A request that is being handled, or an answer that goes on; over when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn(Turns);

/// A body that is being read; nobody wants more of it when this is dropped.
#[derive(Debug)]
pub(crate) struct Wanting(Turns);

impl Turns {
    /// A request has been read, or an answer to it begins.
    pub(crate) fn begin(&self) -> Turn {
        self.0.begun.set(self.0.begun.get().wrapping_add(1));
        self.0.busy.set(self.0.busy.get().saturating_add(1));
        Turn(self.clone())
    }

    /// How far the body of the newest request was read.
    pub(crate) fn body(&self) -> Body {
        self.0.body.get()
    }

    /// Says how far the body of the newest request was read.
    pub(crate) fn set_body(&self, body: Body) {
        self.0.body.set(body);
    }

    /// The body of the request at hand is read; `left` bytes of it are known to be left.
    pub(crate) fn want(&self, left: usize) -> Wanting {
        let wanting = Wanting(self.clone());
        wanting.now(left);
        self.0.wake();
        wanting
    }

    /// How many requests have begun.
    pub(super) fn begun(&self) -> u64 {
        self.0.begun.get()
    }

    /// Whether a request is being handled, or an answer goes on.
    pub(super) fn is_busy(&self) -> bool {
        self.0.busy.get() > 0
    }

    /// How much of the body that is being read is known to be left; `None` when none is read.
    pub(super) fn wanted(&self) -> Option<usize> {
        self.0.wanted.get()
    }

    /// Wakes `waker` when a turn is over or a body is wanted.
    pub(super) fn wake_later(&self, waker: &Waker) {
        *self.0.waiting.borrow_mut() = Some(waker.clone());
    }
}

impl Wanting {
    /// Says how many bytes are left now.
    pub(crate) fn now(&self, left: usize) {
        self.0.0.wanted.set(Some(left));
    }
}

impl State {
    fn wake(&self) {
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let state = &*self.0.0;
        state.busy.set(state.busy.get().saturating_sub(1));
        state.wake();
    }
}

impl Drop for Wanting {
    fn drop(&mut self) {
        self.0.0.wanted.set(None);
    }
}
