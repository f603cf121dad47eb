//! The writing half of a connection: it replaces bare error responses and limits the time for reading a response.
//!
//! Gap: those of `default_error` and `timeouts`. Red without it:
//! `a_malformed_head_gets_the_response_of_the_application`, `a_client_that_does_not_read_a_stream_is_cut_off`.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use tokio::io::AsyncWrite;

use super::{ClientConnection, StagedClose};
use crate::client_io::ClientIo;
use crate::default_error::detect_default_error;

impl<Io: ClientIo> ClientConnection<Io> {
    /// Writes what remains of the complete error response, if there is one, and closes the connection.
    pub(super) fn poll_write_error_response(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while let Some(mut rest) = self.error_response.take() {
            if rest.is_empty() {
                self.error_response = Some(rest);
                let close = self.close.get_or_insert_with(StagedClose::new);
                return close.poll(&mut self.io, cx).map(Ok);
            }
            let outcome = self.poll_write_io(cx, &[], &rest);
            if let Poll::Ready(Ok(count)) = outcome {
                rest.advance(count);
            }
            // Put back before any early return, so that a later call continues here.
            self.error_response = Some(rest);
            if ready!(outcome)? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes `buf` of the application's response, and runs the action once all of it is written.
    fn poll_write_watched(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.on_written.is_set() && (self.disconnected.is_disconnected() || self.io.has_ended())
        {
            self.disconnected.notify();
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let outcome = self.poll_write_response(cx, buf);
        if matches!(outcome, Poll::Ready(Ok(count)) if count == buf.len()) {
            self.on_written.run();
        }
        outcome
    }

    /// Writes `buf` of the application's response, the start of a head with the application's lines.
    fn poll_write_response(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.head_start.is_none() {
            self.head_start = self.header_lines.take(buf);
        }
        // actix-http writes the same bytes again until they are reported as written, so `buf` is at the replaced bytes
        // until the start is written whole.
        while let Some(mut start) = self.head_start.take() {
            let rest = buf.get(start.replaced..).unwrap_or_default();
            let outcome = self.poll_write_io(cx, &start.bytes, rest);
            if let Poll::Ready(Ok(count)) = outcome
                && count >= start.bytes.len()
            {
                return Poll::Ready(Ok(start.replaced + count - start.bytes.len()));
            }
            if let Poll::Ready(Ok(count)) = outcome {
                start.bytes.advance(count);
            }
            // Put back before any early return, so that a later call continues here.
            self.head_start = Some(start);
            if ready!(outcome)? == 0 {
                return Poll::Ready(Ok(0));
            }
        }
        self.poll_write_io(cx, &[], buf)
    }

    /// Writes `start` and `buf` unchanged. Fails once the client has read too little for too long: actix-http may have
    /// stopped reading by then, so nothing but the write can find that out.
    fn poll_write_io(
        &mut self,
        cx: &mut Context<'_>,
        start: &[u8],
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let io = Pin::new(&mut self.io);
        let outcome = if start.is_empty() {
            io.poll_write(cx, buf)
        } else {
            io.poll_write_vectored(cx, &[IoSlice::new(start), IoSlice::new(buf)])
        };
        let total = start.len() + buf.len();
        match &outcome {
            Poll::Pending => {
                // The timer must run now, as the socket wakes the task only when the client reads.
                self.timeouts.write_blocked();
                // The bytes before these may have looked like the last of the response.
                self.slot.set_active();
                if self.timeouts.poll_expired(cx) {
                    return Poll::Ready(Err(self.slow_reader_error()));
                }
                if !self.set_unread(total) {
                    return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
                }
            }
            Poll::Ready(Ok(count)) => {
                // Only the next wait counts more.
                self.set_unread(self.unread.min(total - count));
                let was_blocked = self.timeouts.is_write_blocked();
                self.timeouts.bytes_written(*count, *count == total);
                // actix-http does not read again before the client sends something.
                self.update_slot(cx);
                if was_blocked && !self.timeouts.is_write_blocked() {
                    // Requests that came meanwhile were held back, and the socket wakes nobody for them.
                    cx.waker().wake_by_ref();
                }
                // The time until the next request, and for the rest of a chunked body, starts here: actix-http has no
                // limit for either, and may not read again before the next byte.
                if self.timeouts.poll_expired(cx) {
                    cx.waker().wake_by_ref();
                }
            }
            Poll::Ready(Err(_)) => {}
        }
        outcome
    }
}

impl<Io: ClientIo> AsyncWrite for ClientConnection<Io> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.error_response.is_none() {
            let Some(status) = detect_default_error(buf) else {
                return this.poll_write_watched(cx, buf);
            };
            this.error_response = Some(this.render_error(status));
        }
        // actix-http writes the same bytes again until they are reported as written. A bare response is always the
        // last of its connection, so nothing follows it.
        ready!(this.poll_write_error_response(cx))?;
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
