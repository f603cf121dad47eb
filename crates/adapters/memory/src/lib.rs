//! Ports kept in the memory of the process: a store of messages and a cache, both bounded.

mod cache;
mod store;

pub use cache::{MemoryCache, MemoryCacheSettings};
pub use store::{MemoryStore, MemoryStoreSettings};
