//! What an application does on the events of its connections. It closes no gap: it is how the crate knows no route,
//! state or error format.

use std::net::SocketAddr;

use actix_http::body::BoxBody;
use actix_http::{Extensions, Response, StatusCode};

use crate::header_lines::HeaderLines;

/// Callbacks of an application; one instance serves all connections of a worker thread.
pub trait ConnectionHooks {
    /// A connection was accepted. Returns false to close it at once; it is then not [`ConnectionHooks::closed`].
    fn opened(&self, peer: Option<SocketAddr>) -> bool;

    /// An opened connection was closed, for whatever reason.
    fn closed(&self, peer: Option<SocketAddr>);

    /// The bytes of responses that wait for the client of a connection to read them changed from `before` to
    /// `now`. Returns false, without effect, if all connections together may not hold that many: the connection is
    /// then cut off. Fewer bytes are always accepted.
    fn unread_changed(&self, before: usize, now: usize) -> bool;

    /// A connection is cut off because its client reads the response too slowly.
    fn slow_reader_cut_off(&self);

    /// Adds data of a connection, which every request on it gets as `conn_data`.
    fn add_connection_data(&self, peer: Option<SocketAddr>, data: &mut Extensions);

    /// Returns the response to send in place of actix-http's bare one: 400 for a malformed head, 408 for a late one,
    /// 414 for one with a long target, 431 for a large one, 500 for a defect. The body is in memory. The response has a `Date`; the connection adds
    /// `Content-Length`, `Connection: close` and what is pushed to `lines`.
    fn error_response(
        &self,
        status: StatusCode,
        peer: Option<SocketAddr>,
        lines: &HeaderLines,
    ) -> Response<BoxBody>;
}
