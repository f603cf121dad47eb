//! The crate against real servers, which the tests start.

#![allow(
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod access;
mod cache;
mod clocks;
mod consumer_counts;
mod consumer_failures;
mod contract;
mod damage;
mod durability;
mod failures;
mod hand_over;
mod lent;
mod previous_release;
mod quotas;
mod records;
mod replication;
mod request_threads;
mod support;
mod torn_batches;
mod torn_consumers;
mod torn_log;
mod wake_ups;
