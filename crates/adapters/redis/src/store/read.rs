//! The read path: pages, the index of topics, and wake-ups.

pub(super) mod listener;
pub(super) mod listening;
pub(super) mod pages;
pub(super) mod topics;
