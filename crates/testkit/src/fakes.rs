//! Stand-ins for ports, which fail when the test says so.

pub(crate) mod cache;
pub(crate) mod dependency;
mod script;
pub(crate) mod store;
