//! The typed HTTP client of Posthorn, and the commands that use it.
//!
//! [`ApiClient`] has one method per route; [`Retry`] repeats a call whose [`ClientError`] is
//! retryable. The commands, with their arguments, are built from these two. Time comes from tokio, so that tests can pause it.

mod address;
mod api;
mod commands;
mod console;
mod error;
mod problem;
mod response;
mod retry;
mod seconds;
mod sse;
mod transport;

pub use api::{
    ApiClient, ConsumerDraft, ConsumerResource, MAX_PAGE, MessageDraft, MessagePage, PageCursor,
    PageQuery, PullLimits, ReceivedMessage, RedriveResult, SettleResult, TopicListPage,
    WebhookDraft, WriteCondition, check_health, request_health,
};
pub use commands::{
    ClientCommand, TokenAuthority, TokenCommand, WORK_HELP, WorkArguments, number_between, work,
};
pub use console::{fail, fail_call, print, print_error, read_input};
pub use error::{ClientError, RetryableError};
pub use retry::Retry;
pub use sse::{Frame, FrameStream, ServerEvent};
