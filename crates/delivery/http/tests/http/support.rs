//! A server for each test, and a client that exposes every byte.

mod client;
mod quotas;
mod recorder;
mod server;
mod store;
mod webhooks;

pub(crate) use client::{Connection, Response};
pub(crate) use quotas::Quotas;
pub(crate) use server::TestServer;
pub(crate) use store::Behaviour;
