//! Ports kept in the memory of the process: a store of messages, a cache, a counter of quotas and a
//! list of revoked tokens, all bounded.

mod cache;
mod cached_revocation_list;
mod quota;
mod revocation_list;
mod store;

pub use cache::{MemoryCache, MemoryCacheSettings};
pub use cached_revocation_list::CachedRevocationList;
pub use quota::{MemoryQuotaCounter, MemoryQuotaSettings};
pub use revocation_list::MemoryRevocationList;
pub use store::{MemoryStore, MemoryStoreSettings};
