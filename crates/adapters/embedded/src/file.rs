//! The files of the store: their paths, the lock, and their identity while the store is open.

pub(crate) mod identity;
pub(crate) mod lock;
pub(crate) mod log_damage;
pub(crate) mod log_index;
pub(crate) mod path;
pub(crate) mod reserve;
