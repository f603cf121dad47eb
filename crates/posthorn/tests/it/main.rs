//! The real binary, tried from outside: started, loaded, cut off, killed and stopped.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "tests"
)]

mod client_commands;
mod crash;
mod dependencies;
mod file_store;
mod overload;
mod played_server;
mod quotas;
mod revocation;
mod rotation;
mod shutdown;
mod starting;
mod streams;
mod support;
mod tokens;
mod traces;
