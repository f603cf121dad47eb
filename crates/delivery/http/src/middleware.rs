//! The middleware: layers around the handlers, which the server and the router put together.

pub(crate) mod access_log;
pub(crate) mod around;
pub(crate) mod authorization;
mod connection_close;
pub(crate) mod cors;
mod deadline;
mod error_documents;
pub(crate) mod flood;
mod headers;
pub(crate) mod host;
pub(crate) mod load_shed;
mod pipeline;
pub(crate) mod rate_limit;
mod rejection;
mod request_line;
mod request_span;
mod response_memory;
