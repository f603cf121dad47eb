//! Routing of commands to the primary that owns a slot. A single server and a Sentinel primary are
//! a cluster of one node that owns every slot.

pub(crate) mod connection;
pub(crate) mod directory;
pub(crate) mod sessions;
pub(crate) mod slots;
