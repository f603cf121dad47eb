//! The API: one module per resource, with its handlers and responses.

pub(crate) mod consumers;
mod dead_letters;
mod grant_watch;
pub(crate) mod health;
pub(crate) mod info;
pub(crate) mod limits;
pub(crate) mod messages;
pub(crate) mod metrics;
pub(crate) mod openapi;
mod put_response;
pub(crate) mod stream;
pub(crate) mod tokens;
pub(crate) mod topics;
pub(crate) mod webhooks;
