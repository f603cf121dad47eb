//! Ports in the memory of the process, all bounded: a message store, a cache, a quota counter and a
//! revocation list.

mod cache;
mod cached_revocation_list;
mod quota_counter;
mod revocation_list;
mod store;
mod weight;

pub use cache::{MemoryCache, MemoryCacheSettings, Weigh};
pub use cached_revocation_list::CachedRevocationList;
pub use quota_counter::{MemoryQuotaCounter, MemoryQuotaSettings};
pub use revocation_list::MemoryRevocationList;
pub use store::{MemoryStore, MemoryStoreSettings};
