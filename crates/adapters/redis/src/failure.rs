//! Classification of errors of Redis and redis-rs, and their mapping to the errors of the ports.

use deadpool::managed::PoolError;
use posthorn_application::{BackendError, DependencyError, StoreError};
use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::cluster::slots::NodeAddress;

/// A classified failure. Its text is for logs and contains no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RedisFailure {
    /// The same call can succeed later.
    Transient(String),
    /// The memory or the disk of the server is full.
    Full(String),
    /// The key holds data of another type or form.
    Corrupt(String),
    /// The same call would fail again.
    Permanent(String),
}

/// A reply that asks the client to send the command elsewhere or in another form. The server has
/// not executed the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Redirect {
    /// Another node owns the slot, or this node is no longer a primary.
    WrongNode,
    /// The slot is migrating, and the key, if it exists, is at this node.
    Ask(NodeAddress),
    /// The node does not have the script.
    NoScript,
}

impl RedisFailure {
    /// A transient failure: `operation` exceeded its time limit.
    pub(crate) fn timed_out(operation: &str) -> Self {
        Self::Transient(format!("{operation} timed out"))
    }

    /// Classifies an error of the server or of the connection.
    pub(crate) fn from_error(error: &RedisError) -> Self {
        let mut text = error.to_string();
        if let Some(hint) = hint(&text) {
            text = format!("{text}; {hint}");
        }
        match error.kind() {
            ErrorKind::Server(kind) => Self::from_kind(kind, text),
            ErrorKind::Extension => {
                // The error of a pipeline has no code; the error of its first failed command has.
                let errors = error.clone().into_server_errors().unwrap_or_default();
                let code = errors.first().map_or("", |(_, error)| error.code());
                Self::from_code(code, text)
            }
            ErrorKind::Io
            | ErrorKind::MasterNameNotFoundBySentinel
            | ErrorKind::NoValidReplicasFoundBySentinel
            | ErrorKind::ClusterConnectionNotFound => Self::Transient(text),
            _ => Self::Permanent(text),
        }
    }

    /// Classifies an error of a pool checkout; `classify` classifies an error of its manager.
    pub(crate) fn from_pool_error<E>(
        error: PoolError<E>,
        classify: impl FnOnce(E) -> Self,
    ) -> Self {
        match error {
            PoolError::Backend(error) => classify(error),
            PoolError::Timeout(_) => Self::timed_out("the checkout of a connection"),
            PoolError::Closed => Self::Transient("the pool is closed".to_owned()),
            PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
                Self::Permanent("the pool is not set up".to_owned())
            }
        }
    }

    /// The name of the class, for traces.
    pub(crate) const fn class(&self) -> &'static str {
        match self {
            Self::Transient(_) => "unavailable",
            Self::Full(_) => "full",
            Self::Corrupt(_) => "corrupt",
            Self::Permanent(_) => "rejected",
        }
    }

    /// The text without the class.
    pub(crate) fn into_message(self) -> String {
        match self {
            Self::Transient(text)
            | Self::Full(text)
            | Self::Corrupt(text)
            | Self::Permanent(text) => text,
        }
    }

    fn from_kind(kind: ServerErrorKind, text: String) -> Self {
        match kind {
            ServerErrorKind::BusyLoading
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::TryAgain
            | ServerErrorKind::ReadOnly
            | ServerErrorKind::Moved
            | ServerErrorKind::Ask
            | ServerErrorKind::NoScript
            | ServerErrorKind::ExecAbort => Self::Transient(text),
            // Redis 6.2 wraps the error of a command inside a script.
            ServerErrorKind::ResponseError if text.contains("WRONGTYPE") => Self::Corrupt(text),
            _ => Self::Permanent(text),
        }
    }

    /// Classifies error codes for which redis-rs has no [`ServerErrorKind`].
    fn from_code(code: &str, text: String) -> Self {
        match code {
            "OOM" => Self::Full(text),
            "WRONGTYPE" => Self::Corrupt(text),
            // The server cannot write its append-only file or its snapshot.
            "MISCONF" if text.contains("No space left") => Self::Full(text),
            "BUSY" | "MISCONF" | "NOREPLICAS" | "NOMASTERLINK" | "UNBLOCKED" => {
                Self::Transient(text)
            }
            _ => Self::Permanent(text),
        }
    }
}

impl Redirect {
    /// The redirect in `error`, if it is one.
    pub(crate) fn from_error(error: &RedisError) -> Option<Self> {
        match error.kind() {
            // A transaction is aborted (EXECABORT) if a queued command was rejected with MOVED.
            ErrorKind::Server(
                ServerErrorKind::Moved | ServerErrorKind::ReadOnly | ServerErrorKind::ExecAbort,
            ) => Some(Self::WrongNode),
            ErrorKind::Server(ServerErrorKind::Ask) => ask_target(error).map(Self::Ask),
            ErrorKind::Server(ServerErrorKind::NoScript) => Some(Self::NoScript),
            _ => None,
        }
    }
}

/// What to change in the URL, if the text of an error says that the server is of another kind.
fn hint(text: &str) -> Option<&'static str> {
    let is_unknown = |command| text.contains("unknown command") && text.contains(command);
    if text.contains("cluster support disabled") || is_unknown("CLUSTER") {
        Some("the server is no node of a cluster, which a URL with `redis+cluster://` needs")
    } else if is_unknown("SENTINEL") {
        Some("the server is no Sentinel, which a URL with `redis+sentinel://` needs")
    } else if text.contains("No such master") {
        Some("the Sentinel knows no service of the name in the URL")
    } else {
        None
    }
}

/// The importing node that an `ASK` reply names; `None` if the reply has no host.
fn ask_target(error: &RedisError) -> Option<NodeAddress> {
    let (address, _) = error.redirect_node()?;
    let (host, port) = address.rsplit_once(':')?;
    let known = !matches!(host, "" | "?");
    known.then_some(NodeAddress {
        host: host.into(),
        port: port.parse().ok()?,
    })
}

impl From<RedisFailure> for BackendError {
    fn from(failure: RedisFailure) -> Self {
        match failure {
            // A full server recovers when memory is freed.
            RedisFailure::Transient(text) | RedisFailure::Full(text) => Self::Unavailable(text),
            RedisFailure::Corrupt(text) | RedisFailure::Permanent(text) => Self::Failed(text),
        }
    }
}

impl From<RedisFailure> for StoreError {
    fn from(failure: RedisFailure) -> Self {
        match failure {
            // A permanent rejection, such as a wrong password, does not mean that a record is
            // corrupt: the store recovers when the operator has fixed the configuration.
            RedisFailure::Transient(text) | RedisFailure::Permanent(text) => {
                Self::Unavailable(text)
            }
            RedisFailure::Full(text) => Self::Full(text),
            RedisFailure::Corrupt(text) => Self::Corrupt(text),
        }
    }
}

impl From<RedisFailure> for DependencyError {
    fn from(failure: RedisFailure) -> Self {
        Self(failure.into_message())
    }
}

#[cfg(test)]
mod tests {
    use redis::make_extension_error;

    use super::*;

    #[track_caller]
    fn check(error: &RedisError, expected: fn(String) -> RedisFailure) {
        assert_eq!(RedisFailure::from_error(error), expected(error.to_string()));
    }

    #[test]
    fn errors_that_can_pass_are_transient() {
        let known = |kind: ServerErrorKind| RedisError::from((kind.into(), "test"));
        for kind in [
            ServerErrorKind::BusyLoading,
            ServerErrorKind::MasterDown,
            ServerErrorKind::ClusterDown,
            ServerErrorKind::TryAgain,
            ServerErrorKind::ReadOnly,
        ] {
            check(&known(kind), RedisFailure::Transient);
        }
        check(&known(ServerErrorKind::NoPerm), RedisFailure::Permanent);
        check(
            &known(ServerErrorKind::ResponseError),
            RedisFailure::Permanent,
        );
        check(
            &(ErrorKind::MasterNameNotFoundBySentinel, "test").into(),
            RedisFailure::Transient,
        );
        check(
            &(ErrorKind::AuthenticationFailed, "test").into(),
            RedisFailure::Permanent,
        );
        check(
            &std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into(),
            RedisFailure::Transient,
        );
    }

    #[test]
    fn an_ask_reply_names_its_target() {
        let node = |text: &str| {
            let error = RedisError::from((ServerErrorKind::Ask.into(), "test", text.to_owned()));
            match Redirect::from_error(&error) {
                Some(Redirect::Ask(node)) => Some((node.host.to_string(), node.port)),
                _ => None,
            }
        };
        assert_eq!(node("3999 h:6381"), Some(("h".to_owned(), 6381)));
        assert_eq!(node("3999 ::1:6381"), Some(("::1".to_owned(), 6381)));
        for unknown in ["3999 :6381", "3999 ?:6381", "3999 h", "h:6381"] {
            assert_eq!(node(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn an_error_of_a_server_of_another_kind_says_so() {
        for (text, hint) in [
            ("This instance has cluster support disabled", "no node of"),
            ("unknown command 'CLUSTER', with args", "no node of"),
            ("unknown command `SENTINEL`, with args", "no Sentinel"),
            ("No such master with that name", "no service of"),
        ] {
            let kind = ServerErrorKind::ResponseError.into();
            let error = RedisError::from((kind, "", text.to_owned()));
            let failure = RedisFailure::from_error(&error).into_message();
            assert!(
                failure.contains(text) && failure.contains(hint),
                "{failure}"
            );
        }
    }

    #[test]
    fn error_codes_are_classified() {
        let error = |code: &str, text: &str| make_extension_error(code.into(), Some(text.into()));
        check(&error("OOM", "command not allowed"), RedisFailure::Full);
        check(
            &error(
                "MISCONF",
                "writing to the AOF file: No space left on device",
            ),
            RedisFailure::Full,
        );
        check(
            &error("MISCONF", "Redis is configured to save RDB snapshots"),
            RedisFailure::Transient,
        );
        check(
            &error("BUSY", "Redis is busy running a script"),
            RedisFailure::Transient,
        );
        check(
            &error("NOREPLICAS", "Not enough good replicas to write."),
            RedisFailure::Transient,
        );
        check(
            &error("WRONGTYPE", "Operation against a key"),
            RedisFailure::Corrupt,
        );
    }
}
