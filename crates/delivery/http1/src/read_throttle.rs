//! Decides how many bytes actix-http gets to read: one request at a time, and little of a body that nobody reads.
//!
//! Gap: actix-http decodes whatever it can read into queued requests of many times their bytes, and frames a response
//! by the last of them (see `framing`); it buffers up to 160 KiB of an unread body (actix-web issue 1117). Red without
//! it: `a_pipelined_request_does_not_change_the_response_before_it`, `little_is_read_ahead`.

use std::task::Context;

use bytes::buf::Limit;
use bytes::{Buf, BufMut, BytesMut};
use tokio::io::ReadBuf;

use crate::framing::RequestFraming;
use crate::requests::RequestTracker;

/// The most bytes that are passed on at once; almost every request is shorter.
const MAX_READ: usize = 4096;
/// The most bytes of a body that nobody reads, or that are held back behind a request in flight. Reading some is
/// necessary to see a disconnect.
const MAX_READ_AHEAD: usize = 512;

/// The limit of the crate `http` on a request target, in bytes: actix-http responds to a longer one as to a malformed
/// head.
pub const MAX_TARGET_BYTES: usize = 65_534;

/// Limits what actix-http reads from one connection.
#[derive(Debug)]
pub(crate) struct ReadThrottle {
    requests: RequestTracker,
    framing: RequestFraming,
    /// How many heads were passed on, and how many requests had started by the last one.
    heads: u64,
    started: Option<u64>,
    /// What follows the current request.
    held: BytesMut,
    /// True if the client disconnected behind what is held.
    is_end: bool,
    /// How many bytes were passed on since the last pause.
    passed: usize,
}

impl ReadThrottle {
    pub(crate) fn new(requests: RequestTracker) -> Self {
        Self {
            requests,
            framing: RequestFraming::default(),
            heads: 0,
            started: None,
            held: BytesMut::new(),
            is_end: false,
            passed: 0,
        }
    }

    /// True if the next request must wait: the current one was passed on whole, and its response is not written.
    pub(crate) fn must_hold(&self, is_write_blocked: bool) -> bool {
        // A head is passed on some time before its request starts; without this the next one would slip through.
        let has_started = self.started != Some(self.requests.started());
        self.framing.is_between_requests()
            && (!has_started || self.requests.is_busy() || is_write_blocked)
    }

    /// The buffer for what follows the current request; `None` if it is full or the client disconnected.
    pub(crate) fn hold_buffer(&mut self) -> Option<Limit<&mut BytesMut>> {
        let free = MAX_READ_AHEAD.saturating_sub(self.held.len());
        (free > 0 && !self.is_end).then(|| (&mut self.held).limit(free))
    }

    /// True if the newest request has a longer target than the crate `http` accepts.
    pub(crate) fn is_target_too_long(&self) -> bool {
        self.framing.target_length() > MAX_TARGET_BYTES
    }

    /// True if the newest request has the method `HEAD`, whose responses have no body (RFC 9110, section 9.3.2).
    pub(crate) fn is_head_method(&self) -> bool {
        self.framing.is_head_method()
    }

    /// The client sends nothing more.
    pub(crate) fn set_end(&mut self) {
        self.is_end = true;
    }

    /// True if the client disconnected behind what was held back.
    pub(crate) fn is_end(&self) -> bool {
        self.is_end
    }

    /// Wakes the task of `cx` once the next request may be passed on. The socket wakes it only for new bytes.
    pub(crate) fn wake_for_held(&self, cx: &Context<'_>) {
        if self.is_end || !self.held.is_empty() {
            self.requests.wake_on_change(cx.waker());
        }
    }

    /// Passes on what was held back, at most to the end of a request; returns false if there was nothing.
    pub(crate) fn pass_held(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let limit = buf.remaining().min(MAX_READ).min(self.held.len());
        let next = self.held.get(..limit).unwrap_or_default();
        let count = self.framing.advance(next);
        buf.put_slice(next.get(..count).unwrap_or_default());
        self.held.advance(count);
        self.record_passed(count);
        count > 0
    }

    /// Moves what `buf` holds of the next request into the hold buffer; its first `before` bytes are older.
    pub(crate) fn hold_back_pipelined(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let read = buf.filled().get(before..).unwrap_or_default();
        let count = self.framing.advance(read);
        self.held
            .extend_from_slice(read.get(count..).unwrap_or_default());
        buf.set_filled(before + count);
        self.record_passed(count);
    }

    /// How many bytes may be read now.
    pub(crate) fn read_limit(&self, is_write_blocked: bool) -> usize {
        let limit = match self.requests.demand() {
            // The rest of the body comes before anything else.
            Some(remaining) => remaining.max(MAX_READ),
            None if self.is_unread(is_write_blocked) => MAX_READ_AHEAD,
            None => MAX_READ,
        };
        limit.saturating_sub(self.passed)
    }

    /// Ends a series of reads: actix-http now works on what it has. `limit` is what it could still have read.
    pub(crate) fn pause(&mut self, is_write_blocked: bool, limit: usize, cx: &Context<'_>) {
        let is_unread = self.is_unread(is_write_blocked);
        if !is_unread {
            self.passed = 0;
        }
        // At the limit the socket was not polled, so it wakes nobody for the bytes that are there already.
        if limit == 0 {
            if is_unread {
                self.requests.wake_on_change(cx.waker());
            } else {
                cx.waker().wake_by_ref();
            }
        }
    }

    fn record_passed(&mut self, count: usize) {
        self.passed = self.passed.saturating_add(count);
        self.requests.set_padding(self.framing.padding());
        if self.heads != self.framing.head_count() {
            self.heads = self.framing.head_count();
            self.started = Some(self.requests.started());
            self.requests.set_whole(false);
        }
        // The first bytes of a next head change nothing.
        if self.framing.is_between_requests() {
            self.requests.set_whole(true);
        }
    }

    /// True if nobody reads the bytes that are passed on: a body without a demand, during or behind a response.
    fn is_unread(&self, is_write_blocked: bool) -> bool {
        self.requests.demand().is_none() && (is_write_blocked || self.requests.is_busy())
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Reads as much as allowed from a client that sends without end; returns what is passed on.
    fn read(throttle: &mut ReadThrottle, sent: &str) -> String {
        let cx = Context::from_waker(Waker::noop());
        let mut space = [0; 2 * MAX_READ];
        let mut buf = ReadBuf::new(&mut space);
        if throttle.must_hold(false) {
            let Some(mut held) = throttle.hold_buffer() else {
                return String::new();
            };
            let count = sent.len().min(held.remaining_mut());
            held.put_slice(&sent.as_bytes()[..count]);
            throttle.wake_for_held(&cx);
        } else if !throttle.pass_held(&mut buf) {
            let limit = throttle.read_limit(false);
            buf.put_slice(&sent.as_bytes()[..sent.len().min(limit)]);
            throttle.hold_back_pipelined(&mut buf, 0);
            throttle.pause(false, throttle.read_limit(false), &cx);
        }
        String::from_utf8(buf.filled().to_vec()).unwrap()
    }

    const GET: &str = "GET / HTTP/1.1\r\n\r\n";

    #[test]
    fn one_request_is_passed_on_at_a_time() {
        let requests = RequestTracker::default();
        let mut throttle = ReadThrottle::new(requests.clone());
        assert_eq!(read(&mut throttle, &GET.repeat(3)), GET);
        // actix-http has not decoded it yet.
        assert_eq!(read(&mut throttle, GET), "");
        let guard = requests.start();
        assert_eq!(read(&mut throttle, ""), "");
        assert!(throttle.must_hold(false));
        drop(guard);
        assert!(throttle.must_hold(true));
        for _ in 0..3 {
            assert_eq!(read(&mut throttle, ""), GET);
            drop(requests.start());
        }
        assert_eq!(read(&mut throttle, ""), "");
    }

    #[test]
    fn little_is_held_back() {
        let requests = RequestTracker::default();
        let mut throttle = ReadThrottle::new(requests.clone());
        assert_eq!(read(&mut throttle, GET), GET);
        let _guard = requests.start();
        for _ in 0..100 {
            assert_eq!(read(&mut throttle, &GET.repeat(100)), "");
        }
        assert_eq!(throttle.held.len(), MAX_READ_AHEAD);
        assert!(throttle.hold_buffer().is_none());
    }

    #[test]
    fn a_body_is_passed_on_as_it_is_demanded() {
        let requests = RequestTracker::default();
        let mut throttle = ReadThrottle::new(requests.clone());
        let head = "POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n";
        assert_eq!(read(&mut throttle, head), head);
        let _guard = requests.start();
        let body = "x".repeat(100_000);
        // Without a demand.
        assert_eq!(read(&mut throttle, &body).len(), MAX_READ_AHEAD);
        assert_eq!(read(&mut throttle, &body).len(), 0);
        let demand = requests.demand_body(100_000);
        assert_eq!(throttle.read_limit(false), 100_000 - MAX_READ_AHEAD);
        demand.set_remaining(10);
        assert_eq!(throttle.read_limit(false), MAX_READ - MAX_READ_AHEAD);
    }
}
