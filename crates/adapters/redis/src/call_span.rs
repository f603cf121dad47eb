//! The spans of calls of Redis, with the attributes of OpenTelemetry's conventions.
//!
//! Source: <https://opentelemetry.io/docs/specs/semconv/db/redis/>.

use futures_util::future::Either;
use futures_util::{FutureExt as _, TryFutureExt as _};
use redis::{Arg, Cmd, ConnectionAddr, ConnectionInfo, Pipeline};
use tracing::{Instrument as _, Span, field};

use crate::cluster::slots::NodeAddress;
use crate::failure::RedisFailure;

/// A server and the number of its database.
pub(crate) struct CalledServer {
    /// A host, or the path of a socket; `None` if redis-rs chooses the node.
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) database: i64,
}

/// An error of a call.
pub(crate) trait CallFailure {
    /// What failed.
    fn failure(&self) -> &RedisFailure;
}

/// What a call does.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    /// The command, or the kind of several.
    name: String,
    /// The number of commands of a pipeline; `None` for a single command.
    batch_size: Option<i64>,
}

/// The span of one call. It is disabled, and neither `operation` nor `server` is called, unless something records it.
pub(crate) fn call_span(
    operation: impl FnOnce() -> Operation,
    server: impl FnOnce() -> CalledServer,
) -> Span {
    let span = tracing::debug_span!(
        "redis",
        otel.kind = "client",
        db.system.name = "redis",
        db.operation.name = field::Empty,
        db.operation.batch.size = field::Empty,
        db.namespace = field::Empty,
        server.address = field::Empty,
        server.port = field::Empty,
        "error.type" = field::Empty,
    );
    if span.is_disabled() {
        return span;
    }
    let (operation, server) = (operation(), server());
    span.record("db.operation.name", operation.name);
    span.record("db.operation.batch.size", operation.batch_size);
    span.record("db.namespace", server.database.to_string());
    span.record("server.address", server.host);
    span.record("server.port", server.port.map(i64::from));
    span
}

/// Runs `call` in `span`, which records its failure. Boxed where it is recorded only: without exported traces a call
/// costs no allocation, and the types of callers stay small.
pub(crate) fn in_span<'a, T: Send + 'a, E: CallFailure + Send + 'a>(
    span: Span,
    call: impl Future<Output = Result<T, E>> + Send + 'a,
) -> impl Future<Output = Result<T, E>> + Send + 'a {
    if span.is_disabled() {
        return Either::Left(call);
    }
    let recorded = span.clone();
    let call = call.inspect_err(move |error| {
        recorded.record("error.type", error.failure().class());
    });
    Either::Right(call.instrument(span).boxed())
}

impl CalledServer {
    /// The server that `info` describes.
    pub(crate) fn of(info: &ConnectionInfo) -> Self {
        let database = info.redis_settings().db();
        let (host, port) = match info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                (Some(host.clone()), Some(*port))
            }
            ConnectionAddr::Unix(path) => (Some(path.display().to_string()), None),
            _ => (None, None),
        };
        Self {
            host,
            port,
            database,
        }
    }

    /// The server at `address`, or an unknown one.
    pub(crate) fn at(address: Option<&NodeAddress>, database: i64) -> Self {
        Self {
            host: address.map(|address| address.host.to_string()),
            port: address.map(|address| address.port),
            database,
        }
    }
}

impl Operation {
    /// A single command.
    pub(crate) fn command(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            batch_size: None,
        }
    }

    /// The command that `command` sends.
    pub(crate) fn of(command: &Cmd) -> Self {
        Self::command(&name(command))
    }

    /// The commands of `pipeline`, by their name if all have the same.
    pub(crate) fn of_pipeline(pipeline: &Pipeline) -> Self {
        let kind = if pipeline.is_transaction() {
            "MULTI"
        } else {
            "PIPELINE"
        };
        let mut names = pipeline.cmd_iter().map(name);
        let first = names.next().unwrap_or_default();
        let is_same = !first.is_empty() && names.all(|other| other == first);
        Self {
            name: if is_same {
                format!("{kind} {first}")
            } else {
                kind.to_owned()
            },
            batch_size: i64::try_from(pipeline.len()).ok(),
        }
    }
}

impl CallFailure for RedisFailure {
    fn failure(&self) -> &RedisFailure {
        self
    }
}

/// The name of a command.
fn name(command: &Cmd) -> String {
    match command.args_iter().next() {
        Some(Arg::Simple(name)) => String::from_utf8_lossy(name).into_owned(),
        Some(_) | None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_of_one_command_has_its_name() {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("XLEN").arg("a").cmd("XLEN").arg("b");
        let of = |pipeline: &Pipeline| {
            let operation = Operation::of_pipeline(pipeline);
            (operation.name, operation.batch_size)
        };
        assert_eq!(of(&pipeline), ("PIPELINE XLEN".to_owned(), Some(2)));
        pipeline.cmd("TIME");
        assert_eq!(of(&pipeline), ("PIPELINE".to_owned(), Some(3)));
        pipeline.atomic();
        assert_eq!(of(&pipeline), ("MULTI".to_owned(), Some(3)));
        assert_eq!(of(&Pipeline::new()), ("PIPELINE".to_owned(), Some(0)));
    }

    #[test]
    fn a_command_is_named_without_its_arguments() {
        let mut command = redis::cmd("XADD");
        command.arg("key").arg("*").arg("message").arg("a secret");
        assert_eq!(Operation::of(&command), Operation::command("XADD"));
    }

    #[test]
    fn a_server_has_the_parts_of_its_url_but_no_credentials() {
        use redis::IntoConnectionInfo as _;

        let server = |url: &str| {
            let server = CalledServer::of(&url.into_connection_info().unwrap());
            (server.host.unwrap(), server.port, server.database)
        };
        let found = server("redis://me:hunter2@a.redis:6380/3");
        assert_eq!(found, ("a.redis".to_owned(), Some(6380), 3));
        let found = server("redis+unix:///run/redis.sock?db=2&pass=hunter2");
        assert_eq!(found, ("/run/redis.sock".to_owned(), None, 2));
    }
}
