//! Fakes, contract suites and real servers for tests.
//!
//! Everything here panics with a clear text when a test cannot go on: that is how a test fails.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code: a panic is how a test fails"
)]

mod eventually;
mod fake_clock;
mod redis;

pub use eventually::eventually;
pub use fake_clock::FakeClock;
pub use redis::cluster::RedisCluster;
pub use redis::sentinel::RedisSentinel;
pub use redis::server::RedisServer;
