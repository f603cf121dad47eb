//! Checks with programs that others wrote, each a step of `cargo xtask ci`: what sends messages, what reads streams,
//! and tools for HTTP, metrics and OpenAPI.

pub(crate) mod api;
pub(crate) mod fuzz;
pub(crate) mod packages;
pub(crate) mod readers;
pub(crate) mod senders;
mod server;
mod tcp_proxy;
