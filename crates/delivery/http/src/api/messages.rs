//! Messages: accepting, reading, deleting.

pub(crate) mod accept;
mod links;
pub(crate) mod read;
