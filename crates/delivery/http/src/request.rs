//! Values of a request that middleware and handlers share, each parsed once, and its audit event.

pub(crate) mod accept;
pub(crate) mod audit;
pub(crate) mod body;
pub(crate) mod browser_form;
pub(crate) mod caller;
pub(crate) mod client_address;
pub(crate) mod context;
pub(crate) mod credentials;
pub(crate) mod grant;
pub(crate) mod idempotency_key;
pub(crate) mod locale;
pub(crate) mod message_format;
pub(crate) mod method_label;
pub(crate) mod path;
pub(crate) mod request_id;
pub(crate) mod since;
pub(crate) mod trace;
