//! Ports kept in the memory of the process: a store of messages, a cache, a counter of quotas and a
//! list of revoked tokens, all bounded.

mod cache;
mod deny_list;
mod quota;
mod remembered;
mod store;

pub use cache::{MemoryCache, MemoryCacheSettings};
pub use deny_list::MemoryDenyList;
pub use quota::{MemoryQuotaCounter, MemoryQuotaSettings};
pub use remembered::RememberedDenyList;
pub use store::{MemoryStore, MemoryStoreSettings};
