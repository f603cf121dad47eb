//! Where Redis is and how connections to it are opened: one server, a primary found by Sentinel, or
//! a cluster.

pub(crate) mod access;
pub(crate) mod connector;
pub(crate) mod error;
pub(crate) mod pool;
pub(crate) mod primary;
pub(crate) mod sentinel;
pub(crate) mod settings;
pub(crate) mod url;
