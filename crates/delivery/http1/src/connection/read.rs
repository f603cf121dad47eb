//! The reading half of a connection: it passes on one request at a time and limits the time between requests.
//!
//! Gap: those of `read_throttle` and `timeouts`. Red without it:
//! `a_pipelined_request_does_not_change_the_response_before_it`, `the_rest_of_a_late_head_is_not_a_request`.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BufMut;
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::io::poll_read_buf;

use super::ClientConnection;
use crate::client_io::ClientIo;

impl<Io: ClientIo> ClientConnection<Io> {
    /// Reads behind a request in flight: a little is held back, so that a disconnect is seen. Never ready with bytes.
    fn poll_read_behind(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(mut held) = self.throttle.hold_buffer() {
            match poll_read_buf(Pin::new(&mut self.io), cx, &mut held) {
                Poll::Pending => break,
                Poll::Ready(Ok(count)) if count > 0 => {}
                Poll::Ready(outcome) => {
                    self.disconnected.notify();
                    outcome?;
                    // actix-http learns of the end after the requests before it, so that all get their responses.
                    self.throttle.set_end();
                }
            }
        }
        self.throttle.wake_for_held(cx);
        if self.timeouts.poll_expired(cx) {
            return self.poll_expired(cx);
        }
        Poll::Pending
    }

    /// Reads from the socket, as much as the throttle allows.
    fn poll_read_io(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let is_write_blocked = self.timeouts.is_write_blocked();
        let limit = self.throttle.read_limit(is_write_blocked);
        let before = buf.filled().len();
        let has_space = buf.remaining() > 0;
        let outcome = if limit > 0 {
            poll_read_buf(Pin::new(&mut self.io), cx, &mut (&mut *buf).limit(limit))
        } else {
            Poll::Pending
        };
        let Poll::Ready(outcome) = outcome else {
            // Nothing can be read now. The socket, the throttle and the timer each wake the task when that changes.
            self.throttle.pause(is_write_blocked, limit, cx);
            // Only now may the connection count as idle: a request that has arrived is served, even if another client
            // waits for the slot.
            self.update_slot(cx);
            if self.slot.must_close() || self.timeouts.poll_expired(cx) {
                return self.poll_expired(cx);
            }
            return Poll::Pending;
        };
        let was_received = self.requests.is_body_received();
        self.timeouts.bytes_read();
        self.slot.set_active();
        let is_end = has_space && matches!(outcome, Ok(0));
        if outcome.is_err() || is_end {
            self.disconnected.notify();
        }
        let outcome = outcome.map(|_| self.throttle.hold_back_pipelined(buf, before));
        if !was_received && self.requests.is_body_received() {
            self.timeouts.rest_read();
        }
        Poll::Ready(outcome)
    }
}

impl<Io: ClientIo> AsyncRead for ClientConnection<Io> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // An expired client is not read any more, or its next bytes would be taken for a request.
        if this.is_expired {
            return this.poll_expired(cx);
        }
        // Before anything else is passed on, the current request must have its response.
        if this.throttle.must_hold(this.timeouts.is_write_blocked()) {
            return this.poll_read_behind(cx);
        }
        // What was held back is older than what the socket has.
        if this.throttle.pass_held(buf) {
            this.timeouts.bytes_read();
            this.slot.set_active();
            return Poll::Ready(Ok(()));
        }
        if this.throttle.is_end() {
            return Poll::Ready(Ok(()));
        }
        this.poll_read_io(cx, buf)
    }
}
