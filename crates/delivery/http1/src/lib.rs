//! The HTTP/1 connection under actix-web: time limits for slow clients, one request at a time, and complete
//! responses in place of the bare ones that actix-http writes itself.
//!
//! The crate knows no route, no state and no error format: the application passes [`ConnectionHooks`]. Each file with
//! a mechanism names the gap of actix-http that it closes and the test that fails without it.

mod client_disconnected;
mod client_io;
mod connection;
mod deadline;
mod default_error;
mod framing;
mod header_lines;
mod hooks;
mod listener;
mod on_written;
mod read_throttle;
mod requests;
mod service;
mod slots;
mod timeouts;

pub use client_disconnected::ClientDisconnected;
pub use client_io::ClientIo;
pub use deadline::SharedDeadline;
pub use header_lines::HeaderLines;
pub use hooks::ConnectionHooks;
pub use listener::listen_all;
pub use on_written::OnWritten;
pub use read_throttle::MAX_TARGET_BYTES;
pub use requests::{BodyDemand, BodyState, InFlightGuard, RequestTracker};
pub use service::{connection_service, tcp_service};
pub use slots::ConnectionSlots;
pub use timeouts::ConnectionSettings;
