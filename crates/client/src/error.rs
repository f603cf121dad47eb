//! Why a call or a command failed. The texts are for people.

use std::process::ExitCode;
use std::time::Duration;

/// `EX_TEMPFAIL`.
const TRY_LATER: u8 = 75;
/// The exit code of clap for a command line that it rejects.
const USAGE: u8 = 2;

/// Why a call failed. Only [`ClientError::Retryable`] is worth another try.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address of the server is invalid.
    #[error("`{address}` is not a server address: {reason}")]
    Address {
        /// The address without its password.
        address: String,
        /// The rule that it breaks.
        reason: String,
    },
    /// The value of this option cannot be sent as a header.
    #[error("{0}: only visible ASCII characters are allowed")]
    Header(&'static str),
    /// An option or its environment variable has a value that cannot be used.
    #[error("{origin}: {reason}")]
    Argument {
        /// The option or the variable.
        origin: &'static str,
        /// Why the value cannot be used, without a secret.
        reason: String,
    },
    /// An option is given twice with the same name.
    #[error("{option} {name}: it is given twice")]
    Repeated {
        /// The option.
        option: &'static str,
        /// The name, without its values.
        name: String,
    },
    /// The token cannot be sent as a header. The text does not repeat it.
    #[error("the token has characters other than visible ASCII")]
    Token,
    /// The server rejected the request and would reject it again.
    #[error("the server rejected the request: {text}")]
    Rejected {
        /// The HTTP status.
        status: u16,
        /// The status, the problem's code and its detail.
        text: String,
    },
    /// The response is not from a Posthorn server.
    #[error("the server responded with {found} instead of {expected}")]
    UnexpectedResponse {
        /// What the route returns.
        expected: &'static str,
        /// What was received.
        found: String,
    },
    /// The receiver of a webhook did not respond with 2xx to a test, whose outcome is printed.
    #[error("the receiver did not respond with 2xx")]
    TestFailed,
    /// Some leases were stale, so that the call changed nothing for their messages. The outcomes are
    /// printed.
    #[error(
        "stale leases: {stale} of {all}. They have expired, are settled or are not of this consumer; nothing \
         changed for their messages"
    )]
    StaleLeases {
        /// How many leases were stale.
        stale: usize,
        /// How many leases the call named.
        all: usize,
    },
    /// The call failed, but may succeed later.
    #[error(transparent)]
    Retryable(#[from] RetryableError),
    /// No try succeeded within the time limit.
    #[error("gave up, as the limit is {limit:?}: {reason}")]
    GaveUp {
        /// The time limit.
        limit: Duration,
        /// Why the last try failed.
        reason: String,
    },
    /// The client cannot be set up, a limit of the client was exceeded, or standard input or output
    /// failed.
    #[error("{0}")]
    Local(String),
}

/// Why a call failed that may succeed later.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct RetryableError {
    /// Why it failed.
    pub reason: String,
    /// The shortest wait before the next try, as the server requested it.
    pub retry_after: Option<Duration>,
    /// True if no connection was opened, so that the server never saw the request.
    pub is_unreachable: bool,
}

impl RetryableError {
    /// A failure after the connection was opened, without a requested wait.
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            retry_after: None,
            is_unreachable: false,
        }
    }
}

impl ClientError {
    /// The exit code of a command that fails so: `EX_TEMPFAIL` of BSD's `sysexits.h` if another try may
    /// succeed later, 2 for a mistake in the command line or in its variables, else 1.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Retryable(_) | Self::GaveUp { .. } => ExitCode::from(TRY_LATER),
            Self::Argument { .. } | Self::Header(_) | Self::Repeated { .. } => {
                ExitCode::from(USAGE)
            }
            _ => ExitCode::FAILURE,
        }
    }

    /// Maps an error of standard input or output, or of the setup.
    pub(crate) fn local(error: impl ToString) -> Self {
        Self::Local(error.to_string())
    }
}
