//! Consumers in SQLite.
//!
//! The number of new messages needs no counter of its own: it is what the topic holds minus
//! `behind`, so an append writes nothing here.

mod call;
mod dead_letters;
mod delivery;
mod entries;
mod leases;
mod open;
mod registry;
pub(super) mod removals;
mod row;
mod seek;
mod webhook_row;
mod webhooks;

pub(crate) use call::{Call, with_consumer};
pub(crate) use open::OpenConsumers;
pub(crate) use registry::{delete, keys, put, topics};
pub(crate) use webhooks::put_webhook;
