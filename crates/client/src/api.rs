//! The typed client: one method per route.

mod client;
mod consumers;
mod health;
mod leases;
mod messages;
mod stream;
mod tokens;
mod webhooks;

pub use client::ApiClient;
pub use consumers::{ConsumerDraft, ConsumerResource, RedriveResult, WriteCondition};
pub use health::check_health;
pub use leases::{ReceivedMessage, SettleResult};
pub use messages::MessageDraft;
pub use webhooks::WebhookDraft;
