//! The state of a connection's requests, shared by the connection and the application.
//!
//! Gap: the byte stream under actix-http does not learn of requests, but the limits of this crate depend on whether
//! a request is in flight and whether its body is read. No public issue found. Red without it:
//! `a_pipelined_request_does_not_change_the_response_before_it`, `a_body_is_read_once_it_is_demanded`.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// The requests of one connection. Every request has it as `conn_data`.
#[derive(Clone, Debug, Default)]
pub struct RequestTracker(Rc<RequestState>);

#[derive(Debug, Default)]
struct RequestState {
    started: Cell<u64>,
    in_flight: Cell<usize>,
    demand: Cell<Option<usize>>,
    body: Cell<BodyState>,
    /// True once the newest request has arrived whole, whether or not its body is read.
    is_whole: Cell<bool>,
    /// The padding of the newest body, and the task that waits for its growth.
    padding: Cell<usize>,
    padding_waker: RefCell<Option<Waker>>,
    /// The connection's task, while it waits for the end of a request or for a demand.
    waker: RefCell<Option<Waker>>,
}

/// How far the body of the newest request was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyState {
    /// To its end, or the request has no body.
    #[default]
    Complete,
    /// Not to its end.
    Incomplete,
    /// The body has no end: its framing is invalid, or the client disconnected.
    Broken,
}

/// A request in flight, or a response body that is still sent; it ends when this is dropped.
#[derive(Debug)]
pub struct InFlightGuard(RequestTracker);

/// A body that the application reads now; the demand ends when this is dropped.
#[derive(Debug)]
pub struct BodyDemand(RequestTracker);

impl RequestTracker {
    /// Counts a request as in flight. A handler that returns a stream moves a second guard into it.
    pub fn start(&self) -> InFlightGuard {
        self.0.started.set(self.0.started.get().wrapping_add(1));
        self.0
            .in_flight
            .set(self.0.in_flight.get().saturating_add(1));
        InFlightGuard(self.clone())
    }

    /// How far the body of the newest request was read.
    pub fn body_state(&self) -> BodyState {
        self.0.body.get()
    }

    /// True if the newest request was read to its end, or nothing of it is left to read.
    pub fn is_body_received(&self) -> bool {
        match self.body_state() {
            BodyState::Complete => true,
            BodyState::Incomplete => self.is_whole(),
            BodyState::Broken => false,
        }
    }

    /// True once the newest request has arrived whole, whether or not its body is read.
    pub fn is_whole(&self) -> bool {
        self.0.is_whole.get()
    }

    /// Sets whether the newest request has arrived whole.
    pub(crate) fn set_whole(&self, is_whole: bool) {
        self.0.is_whole.set(is_whole);
    }

    /// Sets how far the body of the newest request was read.
    pub fn set_body_state(&self, body: BodyState) {
        self.0.body.set(body);
    }

    /// Asks for the body of the current request, of which at least `remaining` bytes are to come.
    pub fn demand_body(&self, remaining: usize) -> BodyDemand {
        let demand = BodyDemand(self.clone());
        demand.set_remaining(remaining);
        self.0.wake();
        demand
    }

    /// Sets how many bytes of the newest body are padding.
    pub(crate) fn set_padding(&self, padding: usize) {
        if self.0.padding.replace(padding) < padding
            && let Some(waker) = self.0.padding_waker.take()
        {
            waker.wake();
        }
    }

    /// How many requests have started.
    pub(crate) fn started(&self) -> u64 {
        self.0.started.get()
    }

    /// True while a request is in flight or a response body is sent.
    pub(crate) fn is_busy(&self) -> bool {
        self.0.in_flight.get() > 0
    }

    /// True if the application waits for the rest of the body of the current request.
    pub fn is_body_awaited(&self) -> bool {
        self.body_state() != BodyState::Complete && self.demand().is_some()
    }

    /// How many bytes of the demanded body are known to be missing; `None` without a demand.
    pub(crate) fn demand(&self) -> Option<usize> {
        self.0.demand.get()
    }

    /// Registers the task to wake at the end of a request or at a demand.
    pub(crate) fn wake_on_change(&self, waker: &Waker) {
        *self.0.waker.borrow_mut() = Some(waker.clone());
    }
}

impl BodyDemand {
    /// How many bytes of the body so far are neither its data nor the least framing of it: chunk extensions, padding of
    /// chunk sizes, trailers.
    pub fn padding(&self) -> usize {
        self.0.0.padding.get()
    }

    /// Waits until the padding exceeds `max` bytes, for which no data need arrive.
    pub async fn padding_over(&self, max: usize) {
        poll_fn(|cx| {
            if self.padding() > max {
                return Poll::Ready(());
            }
            *self.0.0.padding_waker.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Sets how many bytes of the body are known to be missing.
    pub fn set_remaining(&self, remaining: usize) {
        self.0.0.demand.set(Some(remaining));
    }
}

impl RequestState {
    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        let shared = &*self.0.0;
        shared
            .in_flight
            .set(shared.in_flight.get().saturating_sub(1));
        shared.wake();
    }
}

impl Drop for BodyDemand {
    fn drop(&mut self) {
        self.0.0.demand.set(None);
    }
}
