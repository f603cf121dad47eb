//! Fakes, contract suites and real servers for tests.
//!
//! Everything here panics with a clear text if a test cannot continue: that is how a test fails.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "test code: a panic is how a test fails"
)]

pub mod cache_contract;
pub mod consumer_contract;
pub mod consumer_model;
mod eventually;
mod fake_clock;
mod fakes;
mod json;
pub mod quota_contract;
mod random_sequences;
mod redis;
pub mod revocation_list_contract;
pub mod samples;
pub mod store_contract;
mod store_model;
pub mod webhook_contract;

pub use cache_contract::CacheHarness;
pub use consumer_contract::ConsumerHarness;
pub use eventually::eventually;
pub use fake_clock::FakeClock;
pub use fakes::access::{FakeRevocationList, FakeTokens};
pub use fakes::cache::{CacheCall, FakeCache};
pub use fakes::consumer_store::FakeConsumerStore;
pub use fakes::dependency::FakeDependency;
pub use fakes::quota_counter::FakeQuotaCounter;
pub use fakes::random::FakeRandom;
pub use fakes::store::FakeStore;
pub use json::UniqueMembers;
pub use quota_contract::QuotaHarness;
pub use redis::cluster::RedisCluster;
pub use redis::ports::free_port;
pub use redis::sentinel::{RedisSentinel, SentinelSetup};
pub use redis::server::RedisServer;
pub use revocation_list_contract::RevocationListHarness;
pub use store_contract::{StoreHarness, run_case};
pub use store_model::run::check_model;
pub use webhook_contract::WebhookHarness;
