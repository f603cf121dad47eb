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
pub(crate) use consumers::next_dead_letters;
pub use consumers::{ConsumerDraft, ConsumerResource, RedriveResult, WriteCondition};
pub use health::{check_health, request_health};
pub use leases::{PullLimits, ReceivedMessage, SettleResult};
pub(crate) use messages::BulkDeleteResult;
pub use messages::{MAX_PAGE, MessageDraft, MessagePage, PageCursor, PageQuery, TopicListPage};
pub use webhooks::WebhookDraft;
