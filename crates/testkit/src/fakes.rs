//! Stand-ins for ports, which fail when the test says so.

pub(crate) mod access;
pub(crate) mod cache;
pub(crate) mod dependency;
pub(crate) mod quota_counter;
pub(crate) mod random;
mod script;
pub(crate) mod store;
