//! The ports kept in Redis: one server, a primary found by Sentinel, or a cluster.
//!
//! Every key, its type and its TTL is listed in [`keys`]. Redis 6.2 or newer is needed.

mod cache;
mod connector;
mod deny_list;
mod dependency;
mod fault;
pub mod keys;
mod pool;
mod quota;
mod settings;
mod slots;
mod store;

pub use cache::RedisCache;
pub use deny_list::RedisRevocationList;
pub use dependency::RedisDependency;
pub use pool::{PoolStatus, RedisPool};
pub use quota::RedisQuotaCounter;
pub use settings::{RedisSettings, RedisSettingsError};
pub use store::{RedisStore, RedisStoreError, RedisStoreSettings};
