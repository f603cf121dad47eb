//! Real Redis servers, started by the test that needs them and killed with it.

pub(crate) mod cluster;
mod guard;
mod ports;
mod resp;
pub(crate) mod sentinel;
pub(crate) mod server;
