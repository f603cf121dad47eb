//! Messages: accepting, reading, deleting.

pub(crate) mod accept;
pub(crate) mod batch;
mod links;
pub(crate) mod read;
mod submission;
