//! The system's limit on open files, which bounds the number of connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The files that are not connections of clients: probes, the store, Redis, the log.
const RESERVE: usize = 512;

/// Raises the limit as far as permitted. Returns the most connections at once: `wanted`, or fewer with
/// a warning if the limit is too low.
pub fn limit_connections(wanted: usize) -> usize {
    max_connections(wanted, raise())
}

/// The most requests of webhooks at once beside `max_connections`, which [`limit_connections`] returned: half of what
/// these leave of the limit.
pub fn limit_webhook_requests(max_connections: usize) -> usize {
    most_requests(max_connections, raise())
}

fn most_requests(max_connections: usize, limit: Option<usize>) -> usize {
    limit.map_or(usize::MAX, |limit| {
        let rest = limit.saturating_sub(max_connections.min(most_within(Some(limit))));
        (rest / 2).max(1)
    })
}

/// Raises the limit as far as permitted, and returns it; `None` if there is no limit.
fn raise() -> Option<usize> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    // If raising is not permitted, the present limit still holds.
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum,
        Err(_) => current,
    };
    limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// The most connections within the limit: `wanted`, or fewer with a warning.
fn max_connections(wanted: usize, limit: Option<usize>) -> usize {
    let most = most_within(limit);
    if most < wanted {
        tracing::warn!(
            open_files = limit,
            max_connections = wanted,
            "the limit on open files, {}, is too low for MAX_CONNECTIONS, {wanted}: \
             no more than {most} are accepted at once (ulimit -n)",
            limit.unwrap_or_default()
        );
    }
    wanted.min(most)
}

/// The connections that fit into the limit; at least one.
fn most_within(limit: Option<usize>) -> usize {
    limit.map_or(usize::MAX, |limit| {
        // Half of a low limit is reserved.
        let reserve = RESERVE.min(limit / 2);
        limit.saturating_sub(reserve).max(1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhooks_have_half_of_what_connections_leave() {
        for (connections, limit, expected) in [
            (25_000, None, usize::MAX),
            (25_000, Some(1_048_576), 511_788),
            (25_000, Some(1024), 256),
            (10, Some(1024), 507),
            (60, Some(120), 30),
            (5, Some(0), 1),
        ] {
            assert_eq!(most_requests(connections, limit), expected, "{limit:?}");
        }
    }

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
            assert_eq!(
                max_connections(wanted, limit),
                expected,
                "{wanted} {limit:?}"
            );
        }
    }
}
