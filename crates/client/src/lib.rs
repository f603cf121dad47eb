//! The typed HTTP client of Posthorn, and the commands that use it.
//!
//! [`ApiClient`] has one method per route; [`Retry`] repeats a call whose [`ClientError`] is
//! retryable. The commands are built from these two and know no command line. Time comes from
//! tokio, so that tests can pause it.

mod address;
mod api;
mod commands;
mod console;
mod error;
mod problem;
mod response;
mod retry;
mod sse;
mod transport;

pub use address::without_password;
pub use api::{
    ApiClient, ConsumerDraft, ConsumerRef, ConsumerResource, MessageDraft, ReceivedMessage,
    RedriveResult, SettleResult, WriteCondition, check_health,
};
pub use commands::consumer::{
    describe_consumer, describe_consumers, describe_dead_letters, describe_redrive, redrive_all,
};
pub use commands::send::{SendRequest, send};
pub use commands::tail::{TailRequest, tail};
pub use commands::work::{WorkRequest, work};
pub use console::{print_error, read_input, wait_until_output_closes};
pub use error::{ClientError, RetryableError};
pub use retry::Retry;
pub use sse::{Frame, FrameStream, ServerEvent};
