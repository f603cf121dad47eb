//! A server of its own for each test, and a client that shows every byte.

mod client;
mod quotas;
mod recorder;
mod server;
mod store;

pub(crate) use client::{Answer, Connection};
pub(crate) use quotas::Quotas;
pub(crate) use server::TestServer;
pub(crate) use store::Behaviour;
