//! The connection over an in-memory byte stream with a controlled clock, under an application of four paths.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod default_errors;
mod disconnects;
mod late_clients;
mod pipelining;
mod support;
