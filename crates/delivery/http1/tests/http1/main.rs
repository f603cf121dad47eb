//! The connection over an in-memory byte stream with a controlled clock, under an application of a few paths.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod bodies;
mod default_errors;
mod disconnects;
mod header_lines;
mod late_clients;
mod memory_io;
mod pipelining;
mod support;
