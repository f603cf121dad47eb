//! The real binary, tested from outside: started, loaded, disconnected, killed and stopped.

#![allow(
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "tests"
)]

mod collector;
mod connection_limits;
mod consumer_commands;
mod consumer_responses;
mod consumers;
mod crash;
mod crash_batches;
mod dependencies;
mod development_key;
mod documented;
mod documented_receivers;
mod documented_routes;
mod documented_workers;
mod file_store;
mod healthcheck;
mod lease_commands;
mod log_lines;
mod message_commands;
mod message_states;
mod overload;
mod pull_connections;
mod quotas;
mod receiver;
mod revocation;
mod rotation;
mod send;
mod send_batch;
mod shutdown;
mod spans;
mod starting;
mod streams;
mod stub_consumer;
mod stub_server;
mod support;
mod tail;
mod tail_reconnect;
mod tokens;
mod tools;
mod traces;
mod usage_errors;
mod webhook_secrets;
mod webhooks;
mod webhooks_chaos;
mod work;
mod work_through_failures;
