//! What a request passes on its way to its handler and back.

pub(crate) mod access_log;
pub(crate) mod audit;
pub(crate) mod authorization;
pub(crate) mod cors;
pub(crate) mod flood;
mod headers;
pub(crate) mod load_shed;
pub(crate) mod rate_limit;
