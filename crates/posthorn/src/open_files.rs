//! The system's limit on open files: each connection is one, and so is much else.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is left for all but clients' connections: the platform's ones, the store, Redis, the log.
const RESERVE: usize = 512;

/// Raises the limit as far as the process may, and gives it; `None` when there is none.
pub(crate) fn raise() -> Option<usize> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    // Where that is not allowed, what there was still holds.
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum,
        Err(_) => current,
    };
    limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// How many connections may be open at once: `wanted`, unless the limit on open files is too low for
/// so many, which is said.
pub(crate) fn connections(wanted: usize, limit: Option<usize>) -> usize {
    let most = most_within(limit);
    if most < wanted {
        tracing::warn!(
            open_files = limit,
            max_connections = wanted,
            "the limit on open files, {}, is too low for MAX_CONNECTIONS, {wanted}: \
             no more than {most} are taken at once (ulimit -n)",
            limit.unwrap_or_default()
        );
    }
    wanted.min(most)
}

/// How many connections fit into the limit; at least one.
fn most_within(limit: Option<usize>) -> usize {
    limit.map_or(usize::MAX, |limit| {
        // A low one is shared by halves.
        let reserve = RESERVE.min(limit / 2);
        limit.saturating_sub(reserve).max(1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_connections_as_wanted_unless_the_limit_is_too_low() {
        for (wanted, limit, expected) in [
            (25_000, None, 25_000),
            (25_000, Some(1_048_576), 25_000),
            (25_000, Some(25_512), 25_000),
            (25_000, Some(25_511), 24_999),
            (25_000, Some(1024), 512),
            (25_000, Some(256), 128),
            (5, Some(256), 5),
            (5, Some(0), 1),
        ] {
            assert_eq!(connections(wanted, limit), expected, "{wanted} {limit:?}");
        }
    }
}
