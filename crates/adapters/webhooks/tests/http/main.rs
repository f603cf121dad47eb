//! The sender against receivers that misbehave, over real connections.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unchecked_time_subtraction,
    missing_docs,
    reason = "tests"
)]

mod addresses;
mod receiver;
mod requests;
mod responses;
mod rig;
