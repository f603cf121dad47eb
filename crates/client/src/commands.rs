//! The commands: each is a few calls of the client, repeated, with their output.

pub(crate) mod consumer;
pub(crate) mod send;
pub(crate) mod tail;
pub(crate) mod work;
