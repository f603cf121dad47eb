//! The byte stream under actix-http: it applies the read throttle, the time limits and the complete error responses.
//!
//! Gap: actix-http has no hook between its dispatcher and the socket, so all of them are applied where it reads and
//! writes. Red without it: `half_a_head_on_a_used_connection_has_the_time_of_a_head`, and the tests of the parts.

mod read;
mod staged_close;
mod write;

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::{Extensions, StatusCode};
use bytes::Bytes;

use crate::client_disconnected::ClientDisconnected;
use crate::client_io::ClientIo;
use crate::deadline::SharedDeadline;
use crate::default_error;
use crate::header_lines::{HeadStart, HeaderLines};
use crate::hooks::ConnectionHooks;
use crate::on_written::OnWritten;
use crate::read_throttle::ReadThrottle;
use crate::requests::RequestTracker;
use crate::slots::ConnectionSlot;
use crate::timeouts::{ConnectionSettings, ConnectionTimeouts};

pub(crate) use staged_close::DISCONNECT_TIMEOUT;
use staged_close::StagedClose;

/// A connection that the application has accepted. It is reported as closed when this is dropped.
pub(crate) struct AcceptedConnection {
    peer: Option<SocketAddr>,
    hooks: Rc<dyn ConnectionHooks>,
}

/// A client's connection, as actix-http reads and writes it.
pub(crate) struct ClientConnection<Io> {
    io: Io,
    accepted: AcceptedConnection,
    slot: ConnectionSlot,
    requests: RequestTracker,
    disconnected: ClientDisconnected,
    on_written: OnWritten,
    throttle: ReadThrottle,
    timeouts: ConnectionTimeouts,
    /// True once the client has used up its time between two requests.
    is_expired: bool,
    /// The bytes that wait for the client to read.
    unread: usize,
    /// The lines of the application for the next response, and what remains to be written of the start with them.
    header_lines: HeaderLines,
    head_start: Option<HeadStart>,
    /// What remains to be written of a complete error response. Nothing is written after it.
    error_response: Option<Bytes>,
    /// The end of the connection after that response.
    close: Option<StagedClose>,
}

impl AcceptedConnection {
    /// Asks the application; `None` if it closes the connection at once.
    pub(crate) fn new(peer: Option<SocketAddr>, hooks: Rc<dyn ConnectionHooks>) -> Option<Self> {
        hooks.opened(peer).then(|| Self { peer, hooks })
    }
}

impl Drop for AcceptedConnection {
    fn drop(&mut self) {
        self.hooks.closed(self.peer);
    }
}

impl<Io> ClientConnection<Io> {
    pub(crate) fn new(
        io: Io,
        accepted: AcceptedConnection,
        slot: ConnectionSlot,
        settings: ConnectionSettings,
    ) -> Self {
        let requests = RequestTracker::default();
        Self {
            io,
            accepted,
            slot,
            disconnected: ClientDisconnected::default(),
            on_written: OnWritten::default(),
            throttle: ReadThrottle::new(requests.clone()),
            timeouts: ConnectionTimeouts::new(requests.clone(), settings),
            requests,
            is_expired: false,
            unread: 0,
            header_lines: HeaderLines::default(),
            head_start: None,
            error_response: None,
            close: None,
        }
    }

    /// Adds what its requests use of the connection.
    pub(crate) fn add_data(&self, data: &mut Extensions) {
        data.insert(self.requests.clone());
        data.insert(self.disconnected.clone());
        data.insert(self.on_written.clone());
        data.insert(SharedDeadline::default());
        data.insert(self.header_lines.clone());
        self.accepted
            .hooks
            .add_connection_data(self.accepted.peer, data);
    }

    /// The complete error response of `status`, or of the error that actix-http reports with the same status.
    fn render_error(&self, status: StatusCode) -> Bytes {
        let is_of_head = matches!(
            status,
            StatusCode::BAD_REQUEST | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
        );
        let status = if is_of_head && self.throttle.is_target_too_long() {
            StatusCode::URI_TOO_LONG
        } else {
            status
        };
        let AcceptedConnection { peer, hooks } = &self.accepted;
        // Lines of a response that was never written.
        self.header_lines.clear();
        let response = hooks.error_response(status, *peer, &self.header_lines);
        default_error::encode(
            response,
            &self.header_lines,
            !self.throttle.is_head_method(),
        )
    }

    /// Notes if the connection waits for a next request, or no longer does.
    fn update_slot(&mut self, cx: &Context<'_>) {
        if self.timeouts.is_idle() {
            self.slot.set_idle(cx.waker());
        } else {
            self.slot.set_active();
        }
    }

    /// Notes the bytes that wait for the client to read; false if that is more than the application allows.
    fn set_unread(&mut self, bytes: usize) -> bool {
        let fits = bytes == self.unread || self.accepted.hooks.unread_changed(self.unread, bytes);
        if fits {
            self.unread = bytes;
        }
        fits
    }

    /// The error for a client that reads too slowly. What it has not read is discarded.
    fn slow_reader_error(&self) -> io::Error {
        self.accepted.hooks.slow_reader_cut_off();
        io::ErrorKind::TimedOut.into()
    }
}

impl<Io: ClientIo> ClientConnection<Io> {
    /// Ends the connection of a client that has used up its time. Ready without bytes means the end of the input to
    /// actix-http, which then closes.
    fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_expired {
            if self.timeouts.is_write_blocked() {
                return Poll::Ready(Err(self.slow_reader_error()));
            }
            self.is_expired = true;
            // A partial head gets a response, unless the rest of a body may still precede it.
            if self.timeouts.has_partial_head() && self.requests.is_body_received() {
                self.error_response = Some(self.render_error(StatusCode::REQUEST_TIMEOUT));
            }
        }
        // From here on the write of the response has its own limit.
        self.poll_write_error_response(cx)
    }
}

impl<Io> Drop for ClientConnection<Io> {
    fn drop(&mut self) {
        self.set_unread(0);
        self.on_written.clear();
    }
}
