//! The webhook service and the dispatcher over fakes and a clock that the tests move.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unchecked_time_subtraction,
    missing_docs,
    reason = "tests"
)]

mod delivery;
mod failures;
mod following;
mod interruptions;
mod limits;
mod model;
mod outages;
mod receivers;
mod rig;
mod service;
mod store;
