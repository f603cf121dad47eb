//! The HTTP server over real sockets, with fakes behind it.

#![allow(
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "tests"
)]

mod accepting;
mod access;
mod access_matrix;
mod batches;
mod connections;
mod cors;
mod dead_letters;
mod doors;
mod errors;
mod events;
mod every_route;
mod forms;
mod headers;
mod limits;
mod log_lines;
mod logs;
mod messages;
mod openapi_outline;
mod original;
mod pages;
mod pipelining;
mod platform;
mod public_url;
mod quota_clients;
mod quotas;
mod shutdown;
mod since;
mod standards;
mod streams;
mod support;
mod traceparent;
mod unread;
