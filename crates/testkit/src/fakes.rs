//! Fakes of the ports, which fail on request.

pub(crate) mod access;
pub(crate) mod cache;
pub(crate) mod consumer_store;
pub(crate) mod dependency;
pub(crate) mod quota_counter;
pub(crate) mod random;
mod script;
pub(crate) mod store;
