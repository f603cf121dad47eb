//! The application's ports on Redis: one server, a primary found by Sentinel, or a cluster.
//!
//! [`keys`] lists every key with its type and TTL. Redis 6.2 or newer is required.

mod cache;
mod call_span;
mod cluster;
mod dependency;
mod deployment;
mod failure;
pub mod keys;
mod mutex;
mod quota;
mod request;
mod revocation_list;
mod server_mode;
mod start;
mod store;

pub use cache::{CacheValue, RedisCache};
pub use dependency::RedisDependency;
pub use deployment::access::RedisAccess;
pub use deployment::error::RedisSettingsError;
pub use deployment::pool::{PoolStatus, RedisPool};
pub use deployment::settings::RedisSettings;
pub use quota::RedisQuotaCounter;
pub use revocation_list::RedisRevocationList;
pub use server_mode::OtherServerMode;
pub use store::{RedisStore, RedisStoreError, RedisStoreSettings};
