//! Following a topic, against a fake store with a fake clock.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod positions;
mod support;
mod tail;
