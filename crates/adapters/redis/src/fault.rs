//! The one place that says which of Redis's errors may pass.

use deadpool::managed::PoolError;
use posthorn_application::{
    CacheError, DependencyError, QuotaError, RevocationListError, StoreError,
};
use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::slots::NodeAddress;

/// A failure, sorted. The text is for logs and holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The same call may succeed later.
    Transient(String),
    /// There is no room on the server.
    Full(String),
    /// What is under the key is not ours.
    Corrupt(String),
    /// The same call would fail again.
    Permanent(String),
}

/// What a server's error says about where the command belongs; such a command was not executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Redirect {
    /// Another node owns the slot, or this one is no primary any more.
    Elsewhere,
    /// The slot is being moved, and this key would be at the other node, see [`asked_node`].
    Ask,
    /// The node does not know the script.
    NoScript,
}

impl Fault {
    /// Something did not end in time.
    pub(crate) fn timed_out(what: &str) -> Self {
        Self::Transient(format!("{what} timed out"))
    }

    /// Sorts an error of the server or of the connection.
    pub(crate) fn of(error: &RedisError) -> Self {
        let text = error.to_string();
        match error.kind() {
            ErrorKind::Server(kind) => Self::of_known(kind, text),
            ErrorKind::Extension => {
                // The error of a pipeline has no code of its own: that of the command counts.
                let errors = error.clone().into_server_errors().unwrap_or_default();
                let code = errors.first().map_or("", |(_, error)| error.code());
                Self::of_code(code, text)
            }
            ErrorKind::Io
            | ErrorKind::MasterNameNotFoundBySentinel
            | ErrorKind::NoValidReplicasFoundBySentinel
            | ErrorKind::ClusterConnectionNotFound => Self::Transient(text),
            _ => Self::Permanent(text),
        }
    }

    /// Sorts an error of a checkout; `sort` sorts what opening a connection failed of.
    pub(crate) fn of_pool<E>(error: PoolError<E>, sort: impl FnOnce(E) -> Self) -> Self {
        match error {
            PoolError::Backend(error) => sort(error),
            PoolError::Timeout(_) => Self::timed_out("the checkout of a connection"),
            PoolError::Closed => Self::Transient("the pool is closed".to_owned()),
            PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
                Self::Permanent("the pool is not set up".to_owned())
            }
        }
    }

    /// What happened, in words.
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Transient(text)
            | Self::Full(text)
            | Self::Corrupt(text)
            | Self::Permanent(text) => text,
        }
    }

    fn of_known(kind: ServerErrorKind, text: String) -> Self {
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
            // Redis 6.2 wraps what goes wrong in a script.
            ServerErrorKind::ResponseError if text.contains("WRONGTYPE") => Self::Corrupt(text),
            _ => Self::Permanent(text),
        }
    }

    /// Codes that the client library has no kind for.
    fn of_code(code: &str, text: String) -> Self {
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
    /// What `error` says, if it is of that sort.
    pub(crate) fn of(error: &RedisError) -> Option<Self> {
        match error.kind() {
            // The whole of an aborted transaction is: a queued command was refused with `MOVED`.
            ErrorKind::Server(
                ServerErrorKind::Moved | ServerErrorKind::ReadOnly | ServerErrorKind::ExecAbort,
            ) => Some(Self::Elsewhere),
            ErrorKind::Server(ServerErrorKind::Ask) => Some(Self::Ask),
            ErrorKind::Server(ServerErrorKind::NoScript) => Some(Self::NoScript),
            _ => None,
        }
    }
}

/// Where a key of a slot that is being moved would be, by the answer of the node it leaves.
pub(crate) fn asked_node(error: &RedisError) -> Option<NodeAddress> {
    let (address, _) = error.redirect_node()?;
    let (host, port) = address.rsplit_once(':')?;
    let known = !matches!(host, "" | "?");
    known.then_some(NodeAddress {
        host: host.into(),
        port: port.parse().ok()?,
    })
}

impl From<Fault> for CacheError {
    fn from(fault: Fault) -> Self {
        match fault {
            // A cache without room serves again once there is some.
            Fault::Transient(text) | Fault::Full(text) => Self::Unavailable(text),
            Fault::Corrupt(text) | Fault::Permanent(text) => Self::Failed(text),
        }
    }
}

impl From<Fault> for QuotaError {
    fn from(fault: Fault) -> Self {
        match fault {
            // As for a cache: without room nothing is counted, and with some it is again.
            Fault::Transient(text) | Fault::Full(text) => Self::Unavailable(text),
            Fault::Corrupt(text) | Fault::Permanent(text) => Self::Failed(text),
        }
    }
}

impl From<Fault> for RevocationListError {
    fn from(fault: Fault) -> Self {
        match fault {
            // As for a store: a revocation that found no room is worth another try.
            Fault::Transient(text) | Fault::Full(text) => Self::Unavailable(text),
            Fault::Corrupt(text) | Fault::Permanent(text) => Self::Failed(text),
        }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            // What a server refuses for good, such as a wrong password, is mended by its
            // operator: no record is corrupt, and the store serves again afterwards.
            Fault::Transient(text) | Fault::Permanent(text) => Self::Unavailable(text),
            Fault::Full(text) => Self::Full(text),
            Fault::Corrupt(text) => Self::Corrupt(text),
        }
    }
}

impl From<Fault> for DependencyError {
    fn from(fault: Fault) -> Self {
        Self(fault.into_text())
    }
}

#[cfg(test)]
mod tests {
    use redis::make_extension_error;

    use super::*;

    #[track_caller]
    fn check(error: &RedisError, expected: fn(String) -> Fault) {
        assert_eq!(Fault::of(error), expected(error.to_string()));
    }

    #[test]
    fn what_passes_is_transient_and_what_stays_is_not() {
        let known = |kind: ServerErrorKind| RedisError::from((kind.into(), "test"));
        for kind in [
            ServerErrorKind::BusyLoading,
            ServerErrorKind::MasterDown,
            ServerErrorKind::ClusterDown,
            ServerErrorKind::TryAgain,
            ServerErrorKind::ReadOnly,
        ] {
            check(&known(kind), Fault::Transient);
        }
        check(&known(ServerErrorKind::NoPerm), Fault::Permanent);
        check(&known(ServerErrorKind::ResponseError), Fault::Permanent);
        check(
            &(ErrorKind::MasterNameNotFoundBySentinel, "test").into(),
            Fault::Transient,
        );
        check(
            &(ErrorKind::AuthenticationFailed, "test").into(),
            Fault::Permanent,
        );
        check(
            &std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into(),
            Fault::Transient,
        );
    }

    #[test]
    fn a_key_that_moves_is_asked_for_where_the_server_says() {
        let node = |text: &str| {
            let error = RedisError::from((ServerErrorKind::Ask.into(), "test", text.to_owned()));
            assert_eq!(Redirect::of(&error), Some(Redirect::Ask));
            asked_node(&error).map(|node| (node.host.to_string(), node.port))
        };
        assert_eq!(node("3999 h:6381"), Some(("h".to_owned(), 6381)));
        assert_eq!(node("3999 ::1:6381"), Some(("::1".to_owned(), 6381)));
        for unknown in ["3999 :6381", "3999 ?:6381", "3999 h", "h:6381"] {
            assert_eq!(node(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_server_without_room_is_full() {
        let error = |code: &str, text: &str| make_extension_error(code.into(), Some(text.into()));
        check(&error("OOM", "command not allowed"), Fault::Full);
        check(
            &error(
                "MISCONF",
                "writing to the AOF file: No space left on device",
            ),
            Fault::Full,
        );
        check(
            &error("MISCONF", "Redis is configured to save RDB snapshots"),
            Fault::Transient,
        );
        check(
            &error("BUSY", "Redis is busy running a script"),
            Fault::Transient,
        );
        check(
            &error("NOREPLICAS", "Not enough good replicas to write."),
            Fault::Transient,
        );
        check(
            &error("WRONGTYPE", "Operation against a key"),
            Fault::Corrupt,
        );
    }
}
