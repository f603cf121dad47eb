//! Messages: accepting, reading, deleting.

pub(crate) mod accept;
pub(crate) mod batch;
pub(crate) mod bulk_deletion;
pub(crate) mod deliveries;
mod links;
pub(crate) mod read;
mod submission;
