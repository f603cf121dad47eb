//! Ports kept in the memory of the process: a store of messages, a cache and a counter of
//! quotas, all bounded.

mod cache;
mod quota;
mod store;

pub use cache::{MemoryCache, MemoryCacheSettings};
pub use quota::{MemoryQuotaCounter, MemoryQuotaSettings};
pub use store::{MemoryStore, MemoryStoreSettings};
