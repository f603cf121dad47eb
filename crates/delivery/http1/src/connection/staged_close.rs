//! Closes a connection in stages after a complete error response (RFC 9112, section 9.6): a socket that is closed with
//! unread input resets the connection, and the client may lose the response.
//!
//! Gap: actix-http reads on after an early response (actix-web pull request 3972), but drops the socket after a head
//! that it rejects. Red without it: `a_client_that_still_sends_gets_the_response_to_a_malformed_head`.

use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::deadline::DeadlineTimer;

/// How long a client may take to close the connection after the server did.
pub(crate) const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The most bytes that are discarded at once.
const MAX_READ: usize = 4096;

/// A connection whose last response is written.
#[derive(Debug)]
pub(super) struct StagedClose {
    deadline: Instant,
    timer: DeadlineTimer,
    is_shut_down: bool,
}

impl StagedClose {
    /// Starts the time.
    pub(super) fn new() -> Self {
        Self {
            deadline: Instant::now() + DISCONNECT_TIMEOUT,
            timer: DeadlineTimer::default(),
            is_shut_down: false,
        }
    }

    /// Ends the output and discards the input; ready at its end, after an error and when the time is over.
    pub(super) fn poll(
        &mut self,
        io: &mut (impl AsyncRead + AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if !self.is_shut_down {
            match Pin::new(&mut *io).poll_shutdown(cx) {
                Poll::Pending => return self.timer.poll(self.deadline, cx),
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(())) => self.is_shut_down = true,
            }
        }
        // Bounded by tokio: after some reads in a row the socket is pending and wakes the task.
        loop {
            let mut space = [const { MaybeUninit::uninit() }; MAX_READ];
            let mut buf = ReadBuf::uninit(&mut space);
            match Pin::new(&mut *io).poll_read(cx, &mut buf) {
                Poll::Pending => return self.timer.poll(self.deadline, cx),
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
            }
        }
    }
}
