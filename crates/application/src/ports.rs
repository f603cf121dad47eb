//! The ports: the interfaces that the use cases need.

pub(crate) mod anchor;
pub(crate) mod backend_error;
pub(crate) mod bulk_deletion;
pub(crate) mod cache;
pub(crate) mod clock;
pub(crate) mod consumer_store;
pub(crate) mod dependency;
pub(crate) mod message_store;
pub(crate) mod page_limit;
pub(crate) mod quota_counter;
pub(crate) mod random;
pub(crate) mod revocation_list;
pub(crate) mod store_usage;
pub(crate) mod token_issuer;
pub(crate) mod token_verifier;
pub(crate) mod webhook_encoder;
pub(crate) mod webhook_observer;
pub(crate) mod webhook_sender;
pub(crate) mod webhook_store;
pub(crate) mod webhook_vault;
