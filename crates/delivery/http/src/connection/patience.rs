//! How long a connection is waited for between its requests. The library times the first head
//! alone: whoever was answered once could otherwise hold a connection with half a head for ever.

use std::cell::Cell;
use std::rc::Rc;
use std::task::Context;
use std::time::Duration;

use tokio::time::Instant;

use super::alarm::LazySleep;

/// The requests of one connection, as what handles them tells of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns(Rc<State>);

#[derive(Debug, Default)]
struct State {
    begun: Cell<u64>,
    busy: Cell<usize>,
}

/// A request that is being handled, or an answer that goes on; over when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn(Turns);

/// Watches over the time between two requests.
#[derive(Debug)]
pub(super) struct Patience {
    turns: Turns,
    header_timeout: Duration,
    keep_alive: Duration,
    /// How many requests had begun when this was brought up to date.
    seen: u64,
    deadline: Option<Instant>,
    /// Whether some of the next head is there.
    has_bytes: bool,
    sleep: LazySleep,
}

impl Turns {
    /// A request has been read, or an answer to it begins.
    pub(crate) fn begin(&self) -> Turn {
        self.0.begun.set(self.0.begun.get().wrapping_add(1));
        self.0.busy.set(self.0.busy.get().saturating_add(1));
        Turn(self.clone())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let busy = &self.0.0.busy;
        busy.set(busy.get().saturating_sub(1));
    }
}

impl Patience {
    pub(super) fn new(turns: Turns, header_timeout: Duration, keep_alive: Duration) -> Self {
        Self {
            turns,
            header_timeout,
            keep_alive,
            seen: 0,
            deadline: None,
            has_bytes: false,
            sleep: LazySleep::default(),
        }
    }

    /// Bytes have come: the rest of their head has to come in time.
    pub(super) fn read(&mut self) {
        if self.is_between() && !self.has_bytes {
            self.has_bytes = true;
            let deadline = Instant::now() + self.header_timeout;
            self.deadline = Some(self.deadline.map_or(deadline, |other| other.min(deadline)));
        }
    }

    /// Bytes have gone: the client reads, and may take its time.
    pub(super) fn wrote(&mut self) {
        if self.is_between() {
            self.deadline = None;
        }
    }

    /// Whether some of the next head is there.
    pub(super) fn has_bytes(&self) -> bool {
        self.has_bytes
    }

    /// Whether the client has had its time.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.is_between() {
            return false;
        }
        let most = self.keep_alive + self.header_timeout;
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + most);
        self.sleep.poll(deadline, cx).is_ready()
    }

    /// Whether at least one request came, and none is being handled.
    fn is_between(&mut self) -> bool {
        let State { begun, busy } = &*self.turns.0;
        if self.seen != begun.get() || busy.get() > 0 {
            self.seen = begun.get();
            self.deadline = None;
            self.has_bytes = false;
        }
        self.seen > 0 && busy.get() == 0
    }
}
