//! The commands: each is a few calls of the client, repeated, with their output.

pub(crate) mod send;
pub(crate) mod tail;
