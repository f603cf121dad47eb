//! Real Redis servers, started by a test and killed with it.

pub(crate) mod cluster;
mod guard;
pub(crate) mod ports;
mod resp;
pub(crate) mod sentinel;
pub(crate) mod server;
