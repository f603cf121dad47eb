//! The requests that the bench sends, and the order in which cases are measured.

use super::server::ServerKind;

/// One kind of request: a row of the table.
#[derive(Debug)]
pub(super) struct BenchCase {
    pub(super) name: &'static str,
    pub(super) server: ServerKind,
    pub(super) path: &'static str,
    /// The JSON to POST; without one it is a GET.
    pub(super) body: Option<&'static str>,
}

pub(super) const TEXT: &str = r#"{"message":"The quick brown fox jumps over the lazy dog"}"#;
pub(super) const MESSAGE_PATH: &str = "/api/v1/message";

/// The positions of the case that is compared and of the two that it is compared with. They are
/// neighbours: the shorter the time between two cases, the less else changes.
pub(super) const MESSAGE: usize = 3;
pub(super) const BARE: usize = 2;
pub(super) const UNLIMITED: usize = 4;

pub(super) const CASES: [BenchCase; 5] = [
    BenchCase {
        name: "ping",
        server: ServerKind::Posthorn,
        path: "/api/v1/ping",
        body: None,
    },
    BenchCase {
        name: "info",
        server: ServerKind::Posthorn,
        path: "/api/v1/info",
        body: None,
    },
    BenchCase {
        name: "message, bare",
        server: ServerKind::Bare,
        path: MESSAGE_PATH,
        body: Some(TEXT),
    },
    BenchCase {
        name: "message",
        server: ServerKind::Posthorn,
        path: MESSAGE_PATH,
        body: Some(TEXT),
    },
    BenchCase {
        name: "message, no quotas",
        server: ServerKind::Unlimited,
        path: MESSAGE_PATH,
        body: Some(TEXT),
    },
];

/// Measures each of `what`, and returns the results in that order. The caller sets `backwards` in
/// every other round, so that no case gains from its position.
pub(super) fn in_turns<T, R>(
    what: &[T],
    backwards: bool,
    mut measure: impl FnMut(&T) -> Result<R, String>,
) -> Result<Vec<R>, String> {
    if !backwards {
        return what.iter().map(measure).collect();
    }
    let mut results: Vec<R> = what
        .iter()
        .rev()
        .map(&mut measure)
        .collect::<Result<_, _>>()?;
    results.reverse();
    Ok(results)
}
