//! The write path: one writer task per primary pipelines the writes of all callers.

pub(super) mod command;
pub(super) mod durability;
pub(super) mod job;
mod joined;
pub(super) mod outcome;
pub(super) mod replicas;
pub(super) mod replication;
pub(super) mod writer;
pub(super) mod writers;
